// One backup job: its state in words, its last good backup, its copies and how deep each was verified, its last runs.
import type { ReactNode } from "react";
import type { Backup, BackupCopy, BackupRun } from "../api/backups";
import { useText } from "../i18n";
import { hostAddress } from "../lib/address";
import { useNowMs } from "../lib/live_state";
import { stateTone, type Tone } from "../lib/severity";
import { CopyPlaces } from "./CopyPlaces";
import { Sheet } from "./Page";
import { Mark, StateMark, ToneIcon } from "./StateMark";

export function BackupCard({ backup }: { backup: Backup }) {
  const { t, format } = useText();
  const now = useNowMs();
  const last = backup.last_success_ms;
  return (
    <article className={`alert edge-${stateTone(backup.state)}`} aria-label={`${backup.backup} ${backup.host}`}>
      <div className="section-head">
        <h2>
          {backup.backup} <span className="dim">(<a href={hostAddress(backup.host)}>{backup.host}</a> · {backup.tool})</span>
        </h2>
        <StateMark group="backup_state" state={backup.state} />
      </div>
      <dl className="facts">
        <Fact name={t("backups.last_success")}>
          {last === null ? t("backups.never") : `${format.time(last)} (${t("app.ago", { duration: format.duration((now - last) / 1000) })})`}
        </Fact>
        <Fact name={t("backups.size")}>{format.bytes(backup.last_success_bytes)}</Fact>
        <Fact name={t("backups.interval")}>{format.duration(backup.expected_interval_seconds)}</Fact>
        {backup.last_run && <LastRun run={backup.last_run} />}
      </dl>
      <Runs runs={backup.runs} />
      {backup.truth && backup.truth.places.length > 0 ? <CopyPlaces truth={backup.truth} /> : <Copies copies={backup.copies} />}
    </article>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function LastRun({ run }: { run: BackupRun }) {
  const { t, format } = useText();
  return (
    <Fact name={t("backups.last_error")}>
      <StateMark group="outcome" state={run.outcome} /> <span className="figure">{format.time(run.finished_ms ?? run.started_ms)}</span>
      {run.detail && <div className="small">{run.detail}</div>}
    </Fact>
  );
}

function Runs({ runs }: { runs: BackupRun[] }) {
  const { t, word, format } = useText();
  if (runs.length === 0) return <p className="dim">{t("backups.runs_none")}</p>;
  const say = (run: BackupRun) => `${format.time(run.started_ms)}: ${word("outcome", run.outcome)}, ${format.bytes(run.bytes)}`;
  return (
    <details>
      <summary>
        <span className="runs" style={{ display: "inline-flex" }}>
          {t("backups.runs")}:
          {runs.toReversed().map((run) => (
            <span key={run.started_ms} className={`run tone-${stateTone(run.outcome)}`} title={say(run)}>
              <ToneIcon tone={stateTone(run.outcome)} />
            </span>
          ))}
        </span>
      </summary>
      <ul>
        {runs.map((run) => <li key={run.started_ms} className="figure small">{say(run)}</li>)}
      </ul>
    </details>
  );
}

/** Only what was read or restored is known to be good; a listing proves little. */
const DEPTH_TONES: Record<string, Tone> = { restored: "good", data_read: "good", checked: "info", listed: "caution" };

function Copies({ copies }: { copies: BackupCopy[] }) {
  const { t, word, format } = useText();
  if (copies.length === 0) return <p><Mark tone="none">{t("backups.copies_none")}</Mark></p>;
  return (
    <Sheet label={t("backups.copies")}>
      <thead>
        <tr>
          <th scope="col">{t("backups.location")}</th>
          <th scope="col">{t("backups.newest")}</th>
          <th scope="col">{t("backups.depth")}</th>
          <th scope="col">{t("backups.size")}</th>
          <th scope="col">{t("backups.count")}</th>
          <th scope="col">{t("backups.observed")}</th>
        </tr>
      </thead>
      <tbody>
        {copies.map((copy) => (
          <tr key={copy.location}>
            <th scope="row">{copy.location} <span className="dim">({copy.tool})</span></th>
            <td className="figure">{format.time(copy.newest_ms)}</td>
            <td>
              <Mark tone={copy.error ? "bad" : (DEPTH_TONES[copy.depth] ?? "none")}>{word("depth", copy.depth)}</Mark>
              {copy.error && <div className="small">{copy.error}</div>}
            </td>
            <td className="figure">{format.bytes(copy.bytes)}</td>
            <td className="figure">{format.number(copy.copies, 0)}</td>
            <td className="figure">{format.time(copy.observed_ms)}</td>
          </tr>
        ))}
      </tbody>
    </Sheet>
  );
}
