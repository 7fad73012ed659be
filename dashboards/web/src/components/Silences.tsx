// The silences that hold now or will: confirming a wide one of somebody else, having one end later, and ending one early.
import { Button, NativeSelect } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { confirmSilence, endSilence, extendSilence, getSilences, type Silence } from "../api/silences";
import { useText } from "../i18n";
import { useMay, useUser } from "../lib/permissions";
import { Answer, Refused } from "./Answer";
import { Section } from "./Page";
import { DURATIONS_SECONDS } from "./SilenceForm";
import { Mark } from "./StateMark";

export function Silences() {
  const { t, format } = useText();
  const client = useQueryClient();
  const silences = useQuery({ queryKey: ["silences"], queryFn: getSilences, refetchInterval: 30_000 });
  const user = useUser();
  const may = useMay();
  const onSuccess = () => {
    void client.invalidateQueries({ queryKey: ["silences"] });
    void client.invalidateQueries({ queryKey: ["alerts"] });
  };
  const ending = useMutation({ mutationFn: endSilence, onSuccess });
  const confirming = useMutation({ mutationFn: confirmSilence, onSuccess });
  const canConfirm = (silence: Silence) => silence.awaits_confirmation && may("confirm_silences") && silence.created_by !== user?.name;
  return (
    <Section title={t("silences.title")}>
      <Refused error={ending.error} />
      <Refused error={confirming.error} />
      <Answer query={silences}>
        {(all) => {
          const current = all.filter((silence) => silence.state !== "expired");
          if (current.length === 0) return <p className="dim">{t("silence.none")}</p>;
          return (
            <ul className="lines">
              {current.map((silence) => (
                <li key={silence.id} className="row">
                  <div>
                    <div className="chips">
                      {silence.matchers.map(({ name, op, value }) => <span key={name} className="chip">{name}{op}{value}</span>)}
                    </div>
                    {silence.state === "pending" && <p>{t("silence.from", { time: format.time(silence.starts_at_ms) })}</p>}
                    <p>{t("silence.until", { time: format.time(silence.ends_at_ms), by: silence.created_by, comment: silence.comment })}</p>
                    {silence.awaits_confirmation && <p><Mark tone="caution">{t("silence.waits")}</Mark></p>}
                    {silence.confirmed_by && <p>{t("silence.confirmed", { by: silence.confirmed_by })}</p>}
                  </div>
                  {canConfirm(silence) && <Button size="xs" onClick={() => confirming.mutate(silence.id)}>{t("silence.confirm")}</Button>}
                  {may("silence") && <Extend silence={silence} />}
                  {may("silence") && <Button size="xs" variant="default" onClick={() => ending.mutate(silence.id)}>{t("silence.end")}</Button>}
                </li>
              ))}
            </ul>
          );
        }}
      </Answer>
    </Section>
  );
}

function Extend({ silence }: { silence: Silence }) {
  const { t, format } = useText();
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [seconds, setSeconds] = useState(DURATIONS_SECONDS[0] ?? 3_600);
  const extending = useMutation({
    mutationFn: () => extendSilence(silence.id, silence.ends_at_ms + seconds * 1000),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["silences"] });
      setOpen(false);
    },
  });
  if (!open) return <Button size="xs" variant="default" onClick={() => setOpen(true)}>{t("silence.extend")}</Button>;
  return (
    <>
      <NativeSelect
        label={t("silence.extend_by")}
        value={seconds}
        onChange={(event) => setSeconds(Number(event.currentTarget.value))}
        data={DURATIONS_SECONDS.map((value) => ({ value: String(value), label: format.duration(value) }))}
      />
      <Button size="xs" loading={extending.isPending} onClick={() => extending.mutate()}>{t("silence.extend")}</Button>
      <Button size="xs" variant="default" onClick={() => setOpen(false)}>{t("app.cancel")}</Button>
      <Refused error={extending.error} />
    </>
  );
}
