// Whether what is on the screen may still be believed.

/** Older than this, data is shown as old. Two missed ticks of the slowest agents. */
export const STALE_AFTER_SECONDS = 30;

/** The collector speaks at least every 2 s; after this long the stream counts as lost. */
export const SILENT_AFTER_SECONDS = 10;

export type Freshness =
  | { state: "none" }
  | { state: "fresh" | "stale"; ageSeconds: number }
  | { state: "lost"; ageSeconds: number | null };

/**
 * `newestSampleMs` and `nowMs` by the collector's clock; `connected` says whether its stream of news is there.
 * A lost stream is worse than old data: even an age that looks small is then only a guess.
 */
export function freshness(newestSampleMs: number | null, nowMs: number, connected: boolean): Freshness {
  const ageSeconds = newestSampleMs ? Math.max(0, Math.floor((nowMs - newestSampleMs) / 1000)) : null;
  if (!connected) return { state: "lost", ageSeconds };
  if (ageSeconds === null) return { state: "none" };
  return { state: ageSeconds > STALE_AFTER_SECONDS ? "stale" : "fresh", ageSeconds };
}

/** How long to wait before the next try: 1, 2, 4 … 30 seconds. */
export const retryDelayMs = (tries: number) => Math.min(30_000, 1000 * 2 ** Math.max(0, tries));
