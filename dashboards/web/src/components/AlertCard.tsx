// One alert: what, since when, whom it hits, what to do first; taking it over, and silencing it.
import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { acknowledge, type Alert } from "../api/alerts";
import { useText } from "../i18n";
import { hostAddress } from "../lib/address";
import { severityTone, type Tone } from "../lib/severity";
import { AlertTime, useAlertTexts } from "./AlertLine";
import { Refused } from "./Answer";
import { SilenceForm } from "./SilenceForm";
import { SeverityMark, StateMark } from "./StateMark";

type Doing = "acknowledge" | "silence" | null;

export function AlertCard({ alert }: { alert: Alert }) {
  const { t, format } = useText();
  const { summary, impact, firstSteps } = useAlertTexts(alert);
  const [doing, setDoing] = useState<Doing>(null);
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
        {alert.labels.host && <a href={hostAddress(alert.labels.host)}>{alert.labels.host}</a>}{" "}
        <AlertTime alert={alert} />
      </p>
      {alert.acknowledged && (
        <p>
          {t("alerts.acknowledged", { by: alert.acknowledged.by, time: format.time(alert.acknowledged.at_ms) })}
          {alert.acknowledged.note && `: ${alert.acknowledged.note}`}
        </p>
      )}
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
      {!over && (
        <div className="row">
          {!alert.acknowledged && (
            <Button size="xs" variant="default" aria-expanded={doing === "acknowledge"} onClick={() => toggle("acknowledge")}>
              {t("alerts.acknowledge")}
            </Button>
          )}
          <Button size="xs" variant="default" aria-expanded={doing === "silence"} onClick={() => toggle("silence")}>
            {t("alerts.silence")}
          </Button>
        </div>
      )}
      {doing === "acknowledge" && <AcknowledgeForm fingerprint={alert.fingerprint} onDone={() => setDoing(null)} />}
      {doing === "silence" && <SilenceForm labels={alert.labels} onDone={() => setDoing(null)} />}
    </article>
  );
}

function AcknowledgeForm({ fingerprint, onDone }: { fingerprint: string; onDone: () => void }) {
  const { t } = useText();
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const taking = useMutation({
    mutationFn: () => acknowledge(fingerprint, note.trim()),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["alerts"] });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    taking.mutate();
  };
  return (
    <form className="row" onSubmit={submit}>
      <TextInput label={t("alerts.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
      <Button type="submit" loading={taking.isPending}>{t("alerts.acknowledge")}</Button>
      <Refused error={taking.error} />
    </form>
  );
}
