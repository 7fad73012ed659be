// The ways to people: whether each works, with a button that sends a test.
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getChannels, testChannel, type Channel } from "../api/channels";
import { useText } from "../i18n";
import { Allowed } from "./Allowed";
import { Answer, Refused } from "./Answer";
import { Section, Sheet } from "./Page";
import { Mark, StateMark } from "./StateMark";

export function Channels() {
  const { t } = useText();
  const channels = useQuery({ queryKey: ["channels"], queryFn: getChannels, refetchInterval: 30_000 });
  return (
    <Section title={t("channels.title")}>
      <Answer query={channels}>
        {(all) => all.length === 0 ? <p className="dim">{t("channels.none")}</p> : (
          <Sheet label={t("channels.title")}>
            <thead>
              <tr>
                <th scope="col">{t("notifications.receiver")}</th>
                <th scope="col">{t("notifications.state")}</th>
                <th scope="col">{t("channels.last_success")}</th>
                <th scope="col">{t("channels.tested")}</th>
                <th scope="col">{t("channels.waiting")}</th>
                <th scope="col">{t("channels.dead")}</th>
                <th scope="col">{t("channels.test")}</th>
              </tr>
            </thead>
            <tbody>
              {all.map((channel) => <Row key={`${channel.receiver}/${channel.integration}`} channel={channel} />)}
            </tbody>
          </Sheet>
        )}
      </Answer>
    </Section>
  );
}

function Row({ channel }: { channel: Channel }) {
  const { t, format } = useText();
  const client = useQueryClient();
  const testing = useMutation({
    mutationFn: testChannel,
    onSettled: () => void client.invalidateQueries({ queryKey: ["channels"] }),
  });
  const failed = testing.data?.find((test) => !test.delivered);
  return (
    <tr>
      <td>{channel.receiver} ({channel.integration})</td>
      <td>
        <StateMark group="channel_state" state={channel.state} />
        {channel.failing_since_ms !== null && <div className="small">{t("channels.since", { time: format.time(channel.failing_since_ms) })}</div>}
        {channel.last_error && <div className="small">{channel.last_error}</div>}
      </td>
      <td className="figure">{format.time(channel.last_success_ms)}</td>
      <td className="figure">{format.time(channel.tested_at_ms)}</td>
      <td className="figure">
        {format.number(channel.waiting, 0)}
        {channel.limited > 0 && <div className="small">{t("channels.limited", { count: channel.limited })}</div>}
      </td>
      <td className="figure">{format.number(channel.dead, 0)}</td>
      <td>
        <Allowed to="tend_channels">
          <Button
            size="xs"
            variant="default"
            loading={testing.isPending}
            aria-label={t("channels.send_test_to", { receiver: channel.receiver, integration: channel.integration })}
            onClick={() => testing.mutate(channel)}
          >
            {t("channels.send_test")}
          </Button>
        </Allowed>
        <Refused error={testing.error} />
        <div role="status" className="small">
          {testing.data && (failed ? <Mark tone="bad">{failed.error}</Mark> : <Mark tone="good">{t("channels.test_delivered")}</Mark>)}
        </div>
      </td>
    </tr>
  );
}
