// How old the newest data is, counting up. Old or lost data looks it: grey, striped and in words.
import { useText } from "../i18n";
import { useFreshness } from "../lib/live_state";
import { Mark } from "./StateMark";

export function Freshness() {
  const { t, format } = useText();
  const fresh = useFreshness();
  const duration = "ageSeconds" in fresh && fresh.ageSeconds !== null ? format.duration(fresh.ageSeconds) : null;
  const tone = fresh.state === "fresh" ? "good" : fresh.state === "none" ? "none" : "caution";
  const text =
    fresh.state === "none" || duration === null
      ? t(fresh.state === "lost" ? "fresh.lost" : "fresh.none")
      : t(fresh.state === "lost" ? "fresh.lost_age" : `fresh.${fresh.state}`, { duration });
  return (
    <aside className={`freshness is-${fresh.state}`} aria-label={t("fresh.label")}>
      <Mark tone={tone}>{text}</Mark>
    </aside>
  );
}

/** Wraps figures that must not look alive when they are not. */
export function useStaleClass(): string {
  const { state } = useFreshness();
  return state === "fresh" ? "" : "is-stale";
}
