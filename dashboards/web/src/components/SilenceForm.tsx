// Asks for a silence: conditions taken from the alert's labels, how long or from when until when, and why.
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { addSilence, type SilenceMatcher } from "../api/silences";
import { useText } from "../i18n";
import { fromInput, toInput } from "../lib/format";
import { collectorNowMs } from "../lib/live_state";
import { useUser } from "../lib/permissions";
import { Refused } from "./Answer";
import { WhenInput } from "./WhenInput";

export const DURATIONS_SECONDS = [3_600, 4 * 3_600, 8 * 3_600, 86_400, 3 * 86_400, 7 * 86_400];

/** Instead of a duration: the person says when it begins and ends. */
const BY_TIMES = 0;

type Props = { labels: Record<string, string>; onDone: () => void };

export function SilenceForm({ labels, onDone }: Props) {
  const { t, format } = useText();
  const client = useQueryClient();
  const user = useUser();
  const [waits, setWaits] = useState(false);
  const [matchers, setMatchers] = useState<SilenceMatcher[]>(
    Object.entries(labels).map(([name, value]) => ({ name, op: "=", value })),
  );
  const [seconds, setSeconds] = useState(DURATIONS_SECONDS[0] ?? 3_600);
  const [from, setFrom] = useState(() => toInput(collectorNowMs()));
  const [until, setUntil] = useState(() => toInput(collectorNowMs() + 3_600_000));
  const [comment, setComment] = useState("");
  const adding = useMutation({
    mutationFn: () => {
      const now = collectorNowMs();
      const created_by = user?.name ?? "";
      const [starts_at_ms, ends_at_ms] = seconds === BY_TIMES ? [fromInput(from), fromInput(until)] : [now, now + seconds * 1000];
      return addSilence({ matchers, starts_at_ms, ends_at_ms, created_by, comment: comment.trim() });
    },
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["silences"] });
      void client.invalidateQueries({ queryKey: ["alerts"] });
      if (made.waits_because) setWaits(true);
      else onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    adding.mutate();
  };
  if (waits) {
    return (
      <div className="note" role="status">
        <p>{t("silence.waits")}</p>
        <Button size="xs" variant="default" onClick={onDone}>{t("app.close")}</Button>
      </div>
    );
  }
  return (
    <form className="stack section" onSubmit={submit} aria-label={t("silence.title")}>
      <p className="dim">{t("silence.explain")}</p>
      <fieldset>
        <legend>{t("silence.matchers")}</legend>
        <ul className="chips">
          {matchers.map((matcher) => (
            <li key={matcher.name} className="chip">
              {matcher.name}{matcher.op}{matcher.value}{" "}
              {matchers.length > 1 && (
                <button
                  type="button"
                  className="plain small"
                  aria-label={t("silence.remove", { name: matcher.name })}
                  onClick={() => setMatchers(matchers.filter((other) => other !== matcher))}
                >
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      </fieldset>
      <div className="row">
        <NativeSelect
          label={t("silence.duration")}
          value={seconds}
          onChange={(event) => setSeconds(Number(event.currentTarget.value))}
          data={[
            ...DURATIONS_SECONDS.map((value) => ({ value: String(value), label: format.duration(value) })),
            { value: String(BY_TIMES), label: t("silence.by_times") },
          ]}
        />
        {seconds === BY_TIMES && (
          <>
            <WhenInput label={t("when.from")} value={from} onChange={setFrom} />
            <WhenInput label={t("when.until")} value={until} onChange={setUntil} />
          </>
        )}
        <TextInput label={t("silence.comment")} required value={comment} onChange={(event) => setComment(event.currentTarget.value)} />
        <Button type="submit" loading={adding.isPending}>{t("alerts.silence")}</Button>
        <Button variant="default" onClick={onDone}>{t("app.cancel")}</Button>
      </div>
      <Refused error={adding.error} />
    </form>
  );
}
