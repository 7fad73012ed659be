// What the stream of news last said, for every component that shows how old its data is.
import { useSyncExternalStore } from "react";
import { freshness, type Freshness } from "./staleness";

export type LiveState = {
  connected: boolean;
  newestSampleMs: number | null;
  /** What to add to this browser's clock to get the collector's. */
  clockOffsetMs: number;
};

let state: LiveState = { connected: false, newestSampleMs: null, clockOffsetMs: 0 };
const listeners = new Set<() => void>();

export function setLiveState(change: Partial<LiveState>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

/** The collector's time. */
export const collectorNowMs = () => Date.now() + state.clockOffsetMs;

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export const useLiveState = () => useSyncExternalStore(subscribe, () => state);

const seconds = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for everything on the page that shows how old it is. */
function everySecond(listener: () => void) {
  seconds.add(listener);
  timer ??= setInterval(() => seconds.forEach((told) => told()), 1000);
  return () => {
    seconds.delete(listener);
    if (seconds.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const thisSecond = () => Math.floor(collectorNowMs() / 1000) * 1000;

/** The collector's time, anew every second. */
export const useNowMs = () => useSyncExternalStore(everySecond, thisSecond);

export function useFreshness(): Freshness {
  const { connected, newestSampleMs } = useLiveState();
  return freshness(newestSampleMs, useNowMs(), connected);
}
