// One alert in one line: how bad, what, where, since when.
import type { Alert } from "../api/alerts";
import { useText } from "../i18n";
import { hostAddress } from "../lib/address";
import { useNowMs } from "../lib/live_state";
import { SeverityMark } from "./StateMark";

/** What the alert says in the reader's language; its name if it says nothing. */
export function useAlertTexts(alert: Alert) {
  const { pick } = useText();
  const { annotations } = alert;
  return {
    summary: pick(annotations.summary_vi, annotations.summary_en) || annotations.summary || alert.name,
    impact: pick(annotations.impact_vi, annotations.impact_en),
    firstSteps: pick(annotations.first_steps_vi, annotations.first_steps_en) || annotations.description || "",
  };
}

export function AlertLine({ alert }: { alert: Alert }) {
  const { t, format } = useText();
  const { summary } = useAlertTexts(alert);
  const host = alert.labels.host;
  return (
    <li className="line">
      <SeverityMark severity={alert.severity} />
      <div>
        <strong>{summary}</strong>
        <p className="dim">
          {host && <a href={hostAddress(host)}>{host}</a>} <AlertTime alert={alert} />
          {alert.silenced && ` · ${t("alerts.silenced")}`}
          {alert.acknowledged &&
            ` · ${t("alerts.acknowledged", { by: alert.acknowledged.by, time: format.time(alert.acknowledged.at_ms) })}`}
        </p>
      </div>
    </li>
  );
}

export function AlertTime({ alert }: { alert: Alert }) {
  const { t, format } = useText();
  const now = useNowMs();
  const from = format.time(alert.starts_at_ms);
  if (alert.state === "pending") {
    const at = alert.fires_at_ms === null ? null : format.time(alert.fires_at_ms);
    return at === null ? t("alerts.pending_since", { time: from }) : t("alerts.pending_until", { time: from, at });
  }
  if (alert.state === "resolved") return t("alerts.lasted", { from, to: format.time(alert.ends_at_ms) });
  return t("alerts.since", { time: from, duration: format.duration((now - alert.starts_at_ms) / 1000) });
}
