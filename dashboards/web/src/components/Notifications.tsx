// What was sent to whom, and what could not be delivered.
import { useQuery } from "@tanstack/react-query";
import { getNotifications } from "../api/notifications";
import { useText } from "../i18n";
import { Answer } from "./Answer";
import { Section, Sheet } from "./Page";
import { StateMark } from "./StateMark";

export function Notifications() {
  const { t, word, format } = useText();
  const sent = useQuery({ queryKey: ["notifications"], queryFn: getNotifications, refetchInterval: 30_000 });
  return (
    <Section title={t("notifications.title")}>
      <Answer query={sent}>
        {(rows) => rows.length === 0 ? <p className="dim">{t("notifications.none")}</p> : (
          <Sheet label={t("notifications.title")}>
            <thead>
              <tr>
                <th scope="col">{t("notifications.created")}</th>
                <th scope="col">{t("notifications.receiver")}</th>
                <th scope="col">{t("notifications.about")}</th>
                <th scope="col">{t("notifications.state")}</th>
                <th scope="col">{t("notifications.sent")}</th>
                <th scope="col">{t("notifications.attempts")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row, at) => (
                <tr key={at}>
                  <td className="figure">{format.time(row.created_at_ms)}</td>
                  <td>{row.receiver} ({row.integration})</td>
                  <td>{t("notifications.about_value", { status: word("alert_state", row.status), count: row.alerts })}</td>
                  <td>
                    <StateMark group="notification_state" state={row.state} />
                    {row.last_error && <div className="small">{row.last_error}</div>}
                  </td>
                  <td className="figure">{format.time(row.sent_at_ms)}</td>
                  <td className="figure">{format.number(row.attempts, 0)}</td>
                </tr>
              ))}
            </tbody>
          </Sheet>
        )}
      </Answer>
    </Section>
  );
}
