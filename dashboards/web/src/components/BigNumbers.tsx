// The three numbers of the overview. Zero of nothing is not good: what is not known is said and never green.
import type { Overview } from "../api/overview";
import { useText } from "../i18n";
import { countTone, type Tone } from "../lib/severity";
import { ToneIcon } from "./StateMark";

export function BigNumbers({ data }: { data: Overview }) {
  const { t, word } = useText();
  const { alerts, backups, hosts } = data;
  const severities = Object.entries(alerts).filter(([, count]) => count > 0);
  const firing = severities.reduce((sum, [, count]) => sum + count, 0);
  const alertTone: Tone = alerts.critical + alerts.high > 0 ? "bad" : firing > 0 ? "caution" : data.collector.newest_sample_ms ? "good" : "none";
  const late = backups.late + backups.failed;
  const known = (total: number, text: string, none: string, unknown: string | null) =>
    [total === 0 ? none : text, unknown].filter(Boolean).join(" · ");
  return (
    <ul className="numbers">
      <BigNumber
        href="#/alerts"
        tone={alertTone}
        value={firing}
        label={t("overview.alerts")}
        note={severities.map(([name, count]) => `${count} ${word("severity", name).toLowerCase()}`).join(" · ") || t("overview.alerts_none")}
      />
      <BigNumber
        href="#/backups"
        tone={countTone(late, backups.unknown, backups.total)}
        value={late}
        label={t("overview.backups")}
        note={known(
          backups.total,
          t("overview.backups_ok", { ok: backups.ok, total: backups.total }),
          t("overview.backups_none"),
          backups.unknown > 0 ? t("overview.backups_unknown", { unknown: backups.unknown }) : null,
        )}
      />
      <BigNumber
        href="#/hosts"
        tone={countTone(hosts.down, hosts.unknown, hosts.total)}
        value={hosts.down}
        label={t("overview.hosts")}
        note={known(
          hosts.total,
          t("overview.hosts_up", { up: hosts.up, total: hosts.total }),
          t("overview.hosts_none"),
          hosts.unknown > 0 ? t("overview.hosts_unknown", { unknown: hosts.unknown }) : null,
        )}
      />
    </ul>
  );
}

type NumberProps = { href: string; tone: Tone; value: number; label: string; note: string };

function BigNumber({ href, tone, value, label, note }: NumberProps) {
  const { format } = useText();
  return (
    <li>
      <a href={href} className={`number edge-${tone}`}>
        <span className="number-label">{label}</span>
        <span className={`number-value tone-${tone}`}>
          <ToneIcon tone={tone} />
          {format.number(value, 0)}
        </span>
        <span className="dim">{note}</span>
      </a>
    </li>
  );
}
