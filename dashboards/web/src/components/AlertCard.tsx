// One alert: what, since when, whom it hits, what to do first; dealing with it, and silencing it.
import { Button } from "@mantine/core";
import { useState } from "react";
import type { Alert } from "../api/alerts";
import { useText } from "../i18n";
import { hostAddress } from "../lib/address";
import { useMay } from "../lib/permissions";
import { severityTone, type Tone } from "../lib/severity";
import { AlertHistory, DeedForm, Handled, deedsOf, type Deed } from "./AlertHandling";
import { AlertTime, useAlertTexts } from "./AlertLine";
import { SilenceForm } from "./SilenceForm";
import { SeverityMark, StateMark } from "./StateMark";

type Doing = Deed | "silence" | null;

export function AlertCard({ alert }: { alert: Alert }) {
  const { t, format } = useText();
  const { summary, impact, firstSteps } = useAlertTexts(alert);
  const [doing, setDoing] = useState<Doing>(null);
  const may = useMay();
  const over = alert.state === "resolved";
  const edge: Tone = over ? "good" : severityTone(alert.severity);
  const toggle = (what: Doing) => setDoing(doing === what ? null : what);
  return (
    <article className={`alert edge-${edge}`} aria-label={summary}>
      <div className="row">
        <SeverityMark severity={alert.severity} />
        <StateMark group="alert_state" state={alert.state} />
        {alert.silenced && <em>{t("alerts.silenced")}</em>}
        {alert.inhibited && <em>{t("alerts.inhibited")}</em>}
      </div>
      <h3>{summary}</h3>
      <p className="dim">
        {alert.labels.host && (may("see_all") ? <a href={hostAddress(alert.labels.host)}>{alert.labels.host}</a> : alert.labels.host)}{" "}
        <AlertTime alert={alert} />
      </p>
      <Handled alert={alert} />
      {impact && <p><strong>{t("alerts.impact")}:</strong> {impact}</p>}
      {firstSteps && (
        <details open={!over && alert.state === "firing"}>
          <summary><strong>{t("alerts.first_steps")}</strong></summary>
          <p className="steps-text">{firstSteps}</p>
        </details>
      )}
      <details>
        <summary>{t("alerts.labels")}</summary>
        <div className="chips">
          {Object.entries(alert.labels).map(([name, value]) => <span key={name} className="chip">{name}={value}</span>)}
        </div>
        {alert.value !== null && <p>{t("alerts.value")}: {format.number(alert.value, 3)}</p>}
      </details>
      <AlertHistory fingerprint={alert.fingerprint} />
      {!over && (
        <div className="row">
          {alert.state === "firing" && may("handle_alerts") && deedsOf(alert).map((deed) => (
            <Button key={deed} size="xs" variant="default" aria-expanded={doing === deed} onClick={() => toggle(deed)}>
              {t(`alerts.${deed}`)}
            </Button>
          ))}
          {may("silence") && (
            <Button size="xs" variant="default" aria-expanded={doing === "silence"} onClick={() => toggle("silence")}>
              {t("alerts.silence")}
            </Button>
          )}
        </div>
      )}
      {doing !== null && doing !== "silence" && <DeedForm key={doing} alert={alert} deed={doing} onDone={() => setDoing(null)} />}
      {doing === "silence" && <SilenceForm labels={alert.labels} onDone={() => setDoing(null)} />}
    </article>
  );
}
