// What the copies of a planned backup are worth: one line a place, what would be lost per site, and the rule of copies.
import type { BackupTruth, CopyPlace } from "../api/backups";
import { useText } from "../i18n";
import { useNowMs } from "../lib/live_state";
import { stateTone } from "../lib/severity";
import { Sheet } from "./Page";
import { Mark, StateMark } from "./StateMark";

export function CopyPlaces({ truth }: { truth: BackupTruth }) {
  const { t } = useText();
  return (
    <>
      <Sheet label={t("backups.copies")}>
        <thead>
          <tr>
            <th scope="col">{t("backups.place")}</th>
            <th scope="col">{t("backups.copy_state")}</th>
            <th scope="col">{t("backups.data_of")}</th>
            <th scope="col">{t("backups.verified_data_of")}</th>
            <th scope="col">{t("backups.count")}</th>
          </tr>
        </thead>
        <tbody>
          {truth.places.map((place) => <PlaceRow key={`${place.place} ${place.location}`} place={place} />)}
        </tbody>
      </Sheet>
      <Exposures truth={truth} />
      <Rule broken={truth.broken} />
    </>
  );
}

/** From shallow to deep. */
const DEPTHS = ["listed", "checked", "data_read", "restored"];

function PlaceRow({ place }: { place: CopyPlace }) {
  const { t, word, format } = useText();
  const newest = place.verified.toSorted(
    (one, other) => (other.consistent_ms ?? 0) - (one.consistent_ms ?? 0) || DEPTHS.indexOf(other.depth) - DEPTHS.indexOf(one.depth),
  )[0];
  const kinds = [word("medium", place.medium), place.offline && t("backups.offline"), place.immutable && t("backups.immutable")];
  return (
    <tr>
      <th scope="row">
        {place.place} <span className="dim">({[place.site, ...kinds].filter(Boolean).join(" · ")})</span>
      </th>
      <td>
        <StateMark group="copy_state" state={place.state} />
        {place.behind_ms !== null && place.behind_ms > 0 && (
          <div className="small">{t("backups.behind", { duration: format.duration(place.behind_ms / 1000) })}</div>
        )}
        {place.error && <div className="small">{place.error}</div>}
      </td>
      <td className="figure">{format.time(place.consistent_ms)}</td>
      <td className="figure">
        {newest ? (
          <>
            {format.time(newest.consistent_ms)} <span className="dim">({word("depth", newest.depth)})</span>
          </>
        ) : (
          <Mark tone="caution">{t("backups.never_verified")}</Mark>
        )}
      </td>
      <td className="figure">{format.number(place.copies, 0)}</td>
    </tr>
  );
}

/** What would be lost if only the copies of one site were left. */
function Exposures({ truth }: { truth: BackupTruth }) {
  const { t, format } = useText();
  const now = useNowMs();
  const age = (ms: number | null) => (ms === null ? t("backups.everything") : format.duration(Math.max(0, now - ms) / 1000));
  return (
    <ul>
      {truth.sites.map((site) => (
        <li key={site.site} className="small">
          {t("backups.exposure", { site: site.site, listed: age(site.listed_ms), verified: age(site.verified_ms) })}
        </li>
      ))}
    </ul>
  );
}

function Rule({ broken }: { broken: string[] | null }) {
  const { t, word } = useText();
  if (broken === null) return null;
  if (broken.length === 0) return <p><Mark tone="good">{t("backups.rule_kept")}</Mark></p>;
  return <p><Mark tone={stateTone("late")}>{t("backups.rule_broken", { digits: broken.map((one) => word("digit", one)).join("; ") })}</Mark></p>;
}
