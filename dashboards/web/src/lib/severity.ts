// The order of severities and the tone a state is shown in. What is not known is never shown as good.

/** How a state looks: `none` is "no data". */
export type Tone = "good" | "info" | "caution" | "bad" | "none";

const ORDER = ["critical", "high", "medium", "low", "info"];

/** Events say `informational`, Prometheus rules say `warning`; both find their place. */
const SYNONYMS: Record<string, string> = { informational: "info", warning: "medium", page: "critical" };

export const severityName = (severity: string) => SYNONYMS[severity] ?? severity;

/** 0 is the worst; what is unknown comes right after `critical`, so that nobody overlooks it. */
export function severityRank(severity: string): number {
  const rank = ORDER.indexOf(severityName(severity));
  return rank < 0 ? 0.5 : rank;
}

export function severityTone(severity: string): Tone {
  const rank = severityRank(severity);
  if (rank <= 1) return "bad";
  if (rank === 2) return "caution";
  return rank === 3 ? "info" : "none";
}

const TONES: Record<string, Tone> = {
  // Hosts and services.
  up: "good",
  degraded: "caution",
  down: "bad",
  planned: "info",
  // Backups and their runs.
  ok: "good",
  succeeded: "good",
  late: "bad",
  failed: "bad",
  empty: "bad",
  unproven: "caution",
  current: "good",
  behind: "caution",
  stopped: "bad",
  different: "bad",
  missing: "bad",
  damaged: "bad",
  // Drills.
  passed: "good",
  running: "info",
  finished: "info",
  aborted: "caution",
  skipped: "caution",
  // Alerts and notifications.
  firing: "bad",
  pending: "caution",
  resolved: "good",
  sent: "good",
  queued: "info",
  undeliverable: "caution",
  dead: "bad",
  dismissed: "info",
  // Channels to people.
  working: "good",
  failing: "bad",
};

export const stateTone = (state: string): Tone => TONES[state] ?? "none";

/** The tone of "so many are bad": good only when something was measured and nothing is unknown. */
export function countTone(bad: number, unknown: number, total: number): Tone {
  if (bad > 0) return "bad";
  return total === 0 || unknown > 0 ? "none" : "good";
}

/** Worst first, then the newest. */
export function byUrgency<A extends { severity: string; starts_at_ms: number }>(one: A, other: A): number {
  return severityRank(one.severity) - severityRank(other.severity) || other.starts_at_ms - one.starts_at_ms;
}
