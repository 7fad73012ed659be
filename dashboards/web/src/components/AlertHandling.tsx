// What people do about one alert: take it for a while, give it back, assign it, comment on it; and its history.
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import type { Alert } from "../api/alerts";
import { acknowledge, assign, comment, getHistory, giveBack } from "../api/handling";
import { useText } from "../i18n";
import { collectorNowMs } from "../lib/live_state";
import { Answer, Refused } from "./Answer";

/** For how long an alert is taken; 0 is for as long as it goes on. */
const TAKEN_SECONDS = [0, 3_600, 4 * 3_600, 8 * 3_600, 86_400];

export type Deed = "acknowledge" | "give_back" | "assign" | "comment";

/** Who has it, in a line or two. */
export function Handled({ alert }: { alert: Alert }) {
  const { t, format } = useText();
  const taken = alert.acknowledged;
  return (
    <>
      {taken && (
        <p>
          {t("alerts.acknowledged", { by: taken.by, time: format.time(taken.at_ms) })}
          {taken.until_ms !== null && ` (${t("alerts.taken_until", { time: format.time(taken.until_ms) })})`}
          {taken.note && `: ${taken.note}`}
        </p>
      )}
      {alert.assignee && <p>{t("alerts.assigned", { to: alert.assignee })}</p>}
    </>
  );
}

/** The deeds that can be done to it now. */
export const deedsOf = (alert: Alert): Deed[] => [alert.acknowledged ? "give_back" : "acknowledge", "assign", "comment"];

export function DeedForm({ alert, deed, onDone }: { alert: Alert; deed: Deed; onDone: () => void }) {
  const { t, format } = useText();
  const [text, setText] = useState("");
  const [to, setTo] = useState(alert.assignee ?? "");
  const [seconds, setSeconds] = useState(0);
  const done = async () => {
    const { fingerprint } = alert;
    if (deed === "give_back") return giveBack(fingerprint, text.trim());
    if (deed === "assign") return assign(fingerprint, to.trim(), text.trim());
    if (deed === "comment") return comment(fingerprint, text.trim());
    return acknowledge(fingerprint, text.trim(), seconds ? collectorNowMs() + seconds * 1000 : null);
  };
  return (
    <Deeds alert={alert} deed={deed} act={done} onDone={onDone}>
      {deed === "assign" && (
        <TextInput label={t("alerts.assign_to")} value={to} onChange={(event) => setTo(event.currentTarget.value)} />
      )}
      {deed === "acknowledge" && (
        <NativeSelect
          label={t("alerts.taken_for")}
          value={seconds}
          onChange={(event) => setSeconds(Number(event.currentTarget.value))}
          data={TAKEN_SECONDS.map((value) => ({ value: String(value), label: value ? format.duration(value) : t("alerts.taken_until_over") }))}
        />
      )}
      <TextInput
        label={t(deed === "comment" ? "alerts.comment" : "alerts.note")}
        required={deed === "comment"}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
    </Deeds>
  );
}

type DeedsProps = { alert: Alert; deed: Deed; act: () => Promise<unknown>; onDone: () => void; children: ReactNode };

function Deeds({ alert, deed, act, onDone, children }: DeedsProps) {
  const { t } = useText();
  const client = useQueryClient();
  const doing = useMutation({
    mutationFn: act,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["alerts"] });
      void client.invalidateQueries({ queryKey: ["alert_history", alert.fingerprint] });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    doing.mutate();
  };
  return (
    <form className="row" onSubmit={submit}>
      {children}
      <Button type="submit" loading={doing.isPending}>{t(`alerts.${deed}`)}</Button>
      <Button variant="default" onClick={onDone}>{t("app.cancel")}</Button>
      <Refused error={doing.error} />
    </form>
  );
}

/** Asked for only once somebody opens it. */
export function AlertHistory({ fingerprint }: { fingerprint: string }) {
  const { t, word, format } = useText();
  const [open, setOpen] = useState(false);
  const history = useQuery({ queryKey: ["alert_history", fingerprint], queryFn: () => getHistory(fingerprint), enabled: open });
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("alerts.history")}</summary>
      {open && (
        <Answer query={history}>
          {(entries) => entries.length === 0 ? <p className="dim">{t("alerts.no_history")}</p> : (
            <ul>
              {entries.map((entry, at) => (
                <li key={at}>
                  <span className="figure">{format.time(entry.at_ms)}</span> {word("alert_change", entry.what)}
                  {entry.detail && <> – {entry.detail}</>}
                </li>
              ))}
            </ul>
          )}
        </Answer>
      )}
    </details>
  );
}
