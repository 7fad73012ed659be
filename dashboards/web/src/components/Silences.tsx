// The silences that hold now or will, and ending one early.
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { endSilence, getSilences } from "../api/silences";
import { useText } from "../i18n";
import { Answer, Refused } from "./Answer";
import { Section } from "./Page";

export function Silences() {
  const { t, format } = useText();
  const client = useQueryClient();
  const silences = useQuery({ queryKey: ["silences"], queryFn: getSilences, refetchInterval: 30_000 });
  const ending = useMutation({
    mutationFn: endSilence,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["silences"] });
      void client.invalidateQueries({ queryKey: ["alerts"] });
    },
  });
  return (
    <Section title={t("silences.title")}>
      <Refused error={ending.error} />
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
                    <p>{t("silence.until", { time: format.time(silence.ends_at_ms), by: silence.created_by, comment: silence.comment })}</p>
                  </div>
                  <Button size="xs" variant="default" onClick={() => ending.mutate(silence.id)}>{t("silence.end")}</Button>
                </li>
              ))}
            </ul>
          );
        }}
      </Answer>
    </Section>
  );
}
