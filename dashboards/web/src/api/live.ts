// `/api/live`: the collector's stream of news, brought into the cached answers. Reconnects by itself, ever more slowly.
import type { QueryClient } from "@tanstack/react-query";
import { setLiveState } from "../lib/live_state";
import { retryDelayMs, SILENT_AFTER_SECONDS } from "../lib/staleness";
import type { Host, HostDetails } from "./hosts";
import type { Overview } from "./overview";

type Tick = {
  now_ms: number;
  newest_sample_ms?: number | null;
  overview?: Overview;
  /** Another one: the alerts, their silences or who has taken them are not as they were. */
  alerts_digest?: string;
};
type HostNews = Pick<Host, "id"> & Partial<Host>;

/** Listens until the returned function is called. */
export function listen(client: QueryClient): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tries = 0;

  const wait = (ms: number, then: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  };

  const lost = () => {
    source?.close();
    setLiveState({ connected: false });
    // Perhaps the session has ended; asking for it leads to the sign-in page then.
    void client.invalidateQueries({ queryKey: ["session"] });
    wait(retryDelayMs(tries), connect);
    tries += 1;
  };

  const heard = () => {
    tries = 0;
    wait(SILENT_AFTER_SECONDS * 1000, lost);
  };

  const connect = () => {
    source = new EventSource("/api/live");
    wait(SILENT_AFTER_SECONDS * 1000, lost);
    source.onerror = lost;
    for (const [name, handle] of Object.entries(handlers(client))) {
      source.addEventListener(name, (message: MessageEvent<string>) => {
        heard();
        handle(parse(message.data));
      });
    }
  };

  connect();
  return () => {
    clearTimeout(timer);
    source?.close();
    setLiveState({ connected: false });
  };
}

function handlers(client: QueryClient): Record<string, (data: unknown) => void> {
  let digest: string | undefined;
  const again = refresher(client);
  const everything = () => {
    void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  };
  return {
    hello: (data) => {
      clock((data as Tick).now_ms);
      everything();
    },
    tick: (data) => {
      const tick = data as Tick;
      clock(tick.now_ms);
      // A tick without it says that the collector could not look: what is known grows old by itself.
      if (tick.newest_sample_ms !== undefined) setLiveState({ newestSampleMs: tick.newest_sample_ms });
      if (tick.overview) client.setQueryData(["overview"], tick.overview);
      // The numbers of this tick and the lists come from the same alerts, so the lists follow at once.
      if (tick.alerts_digest !== undefined && tick.alerts_digest !== digest) {
        if (digest !== undefined) again("alerts", "silences", "status", "notifications");
        digest = tick.alerts_digest;
      }
    },
    hosts: (data) => mergeHosts(client, data as HostNews[]),
    alerts: () => again("alerts", "overview", "status", "notifications"),
    events: () => again("events"),
    drill: () => again("drills", "drill-run"),
    lagged: everything,
  };
}

/** In a storm there is news many times a second: an answer that is under way is not broken off for it. */
const REFRESH_MS = 1_000;

/** Asks anew for what is named: at most once a second, and what is being asked for already once its answer has come. */
export function refresher(client: QueryClient): (...keys: string[]) => void {
  const wanted = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refresh = () => {
    timer = undefined;
    for (const key of wanted) {
      if (client.isFetching({ queryKey: [key] }) > 0) continue;
      wanted.delete(key);
      void client.invalidateQueries({ queryKey: [key] });
    }
    if (wanted.size > 0) timer = setTimeout(refresh, REFRESH_MS);
  };
  return (...keys) => {
    for (const key of keys) wanted.add(key);
    if (timer === undefined) {
      refresh();
      timer ??= setTimeout(refresh, REFRESH_MS);
    }
  };
}

function clock(nowMs: number) {
  setLiveState({ connected: true, clockOffsetMs: nowMs - Date.now() });
}

/** Puts the news of some hosts into the answers that hold them. */
export function mergeHosts(client: QueryClient, news: HostNews[]): void {
  const byId = new Map(news.map((host) => [host.id, host]));
  client.setQueryData<Host[]>(["hosts"], (hosts) => hosts?.map((host) => ({ ...host, ...byId.get(host.id) })));
  for (const host of news) {
    client.setQueryData<HostDetails>(["host", host.id], (known) => known && { ...known, ...host });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
