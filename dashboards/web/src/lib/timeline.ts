// All that happened in one life of an alert, in the order of time. Pure.
import type { LifeStory, Telling } from "../api/history";

export type Happening =
  | { at_ms: number; kind: "change"; what: string; detail: string }
  | { at_ms: number; kind: "told"; telling: Telling }
  | { at_ms: number; kind: "silenced" | "unsilenced"; by: string; comment: string };

/** What happened at one time is told as it came about: the alert changes, then people are told, or not. */
const ORDER: Happening["kind"][] = ["change", "silenced", "unsilenced", "told"];

/** `now_ms`: a silence that ends later has not ended yet. */
export function timeline(story: LifeStory, now_ms: number): Happening[] {
  const end = Math.min(now_ms, story.resolved_at_ms ?? Infinity);
  const happenings: Happening[] = [
    ...story.changes.map((change) => ({ ...change, kind: "change" as const })),
    ...story.notifications.map((telling) => ({ at_ms: telling.created_at_ms, kind: "told" as const, telling })),
    ...story.silences.flatMap((silence) => {
      const { created_by: by, comment } = silence;
      // One that was there already held from the first moment.
      const began = { at_ms: Math.max(silence.starts_at_ms, story.fired_at_ms), kind: "silenced" as const, by, comment };
      const ended = { at_ms: silence.ends_at_ms, kind: "unsilenced" as const, by, comment };
      return silence.ends_at_ms <= end ? [began, ended] : [began];
    }),
  ];
  if (story.pending_at_ms < story.fired_at_ms) {
    happenings.push({ at_ms: story.pending_at_ms, kind: "change", what: "pending", detail: "" });
  }
  return happenings.toSorted((one, other) => one.at_ms - other.at_ms || ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind));
}
