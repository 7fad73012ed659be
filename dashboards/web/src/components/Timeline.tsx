// One life of an alert, line by line: pending, firing, who was told with what outcome, who did what, silences, its end.
import { useQuery } from "@tanstack/react-query";
import { getLife, type Life, type LifeStory } from "../api/history";
import { useText } from "../i18n";
import { collectorNowMs } from "../lib/live_state";
import { timeline, type Happening } from "../lib/timeline";
import { Answer } from "./Answer";
import { StateMark } from "./StateMark";

export function LifeTimeline({ life }: { life: Life }) {
  const story = useQuery({ queryKey: ["life", life.fingerprint, life.fired_at_ms], queryFn: () => getLife(life) });
  return <Answer query={story}>{(told) => <Timeline story={told} now_ms={collectorNowMs()} />}</Answer>;
}

export function Timeline({ story, now_ms }: { story: LifeStory; now_ms: number }) {
  const { t, format } = useText();
  return (
    <>
      <ol className="lines">
        {timeline(story, now_ms).map((one, at) => (
          <li key={at}>
            <span className="figure">{format.time(one.at_ms)}</span> <What one={one} />
          </li>
        ))}
      </ol>
      {story.cut && <p role="status">{t("history.cut")}</p>}
    </>
  );
}

function What({ one }: { one: Happening }) {
  const { t, word } = useText();
  if (one.kind === "change") return <>{word("alert_change", one.what)}{one.detail && ` – ${one.detail}`}</>;
  if (one.kind !== "told") {
    const text = t(one.kind === "silenced" ? "history.silenced" : "history.unsilenced", { by: one.by });
    return <>{text}{one.kind === "silenced" && one.comment && `: ${one.comment}`}</>;
  }
  const { telling } = one;
  const values = { receiver: telling.receiver, integration: telling.integration };
  return (
    <>
      {t(telling.is_end ? "history.told_end" : "history.told_of", values)} <StateMark group="notification_state" state={telling.state} />
      {telling.attempts > 1 && ` ${t("history.attempts", { count: telling.attempts })}`}
      {telling.last_error && <div className="small">{telling.last_error}</div>}
    </>
  );
}
