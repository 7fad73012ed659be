// What never arrived: each can be sent again, or noted as seen. Shows nothing while there is nothing.
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { dismissLetter, getDeadLetters, resendLetter } from "../api/channels";
import { useText } from "../i18n";
import { Allowed } from "./Allowed";
import { Answer, Refused } from "./Answer";
import { Section } from "./Page";
import { StateMark } from "./StateMark";

export function DeadLetters() {
  const { t, word, format } = useText();
  const client = useQueryClient();
  const letters = useQuery({ queryKey: ["dead_letters"], queryFn: getDeadLetters, refetchInterval: 30_000 });
  const onSettled = () => {
    for (const key of ["dead_letters", "channels", "notifications"]) void client.invalidateQueries({ queryKey: [key] });
  };
  const resending = useMutation({ mutationFn: resendLetter, onSettled });
  const dismissing = useMutation({ mutationFn: dismissLetter, onSettled });
  if (letters.data?.length === 0) return null;
  return (
    <Section title={t("dead_letters.title")}>
      <p>{t("dead_letters.help")}</p>
      <Refused error={resending.error ?? dismissing.error} />
      <Answer query={letters}>
        {(all) => (
          <ul className="lines">
            {all.map((letter) => (
              <li key={letter.id} className="row">
                <div>
                  <StateMark group="notification_state" state={letter.state} />
                  <p>
                    {letter.receiver} ({letter.integration}) – {format.time(letter.created_at_ms)} –{" "}
                    {t("notifications.about_value", { status: word("alert_state", letter.status), count: letter.alerts })}
                  </p>
                  {letter.last_error && <p className="small">{letter.last_error}</p>}
                </div>
                <Allowed to="tend_channels">
                  <div>
                    <Button size="xs" onClick={() => resending.mutate(letter.id)}>{t("dead_letters.resend")}</Button>{" "}
                    <Button size="xs" variant="default" onClick={() => dismissing.mutate(letter.id)}>{t("dead_letters.dismiss")}</Button>
                  </div>
                </Allowed>
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Section>
  );
}
