// News in a storm: every answer arrives, and is asked for again at most once a second.
import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { refresher } from "./live";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("an answer that takes longer than the pause between news arrives, and is asked for again afterwards", async () => {
  const client = new QueryClient();
  let asked = 0;
  const slow = () => new Promise<number>((done) => setTimeout(() => done(++asked), 3_000));
  const stop = new QueryObserver(client, { queryKey: ["alerts"], queryFn: slow }).subscribe(() => undefined);
  const again = refresher(client);
  for (let news = 0; news < 100; news += 1) {
    again("alerts");
    await vi.advanceTimersByTimeAsync(100);
  }
  // Ten seconds of three each: three came, none was broken off.
  expect(asked).toBe(3);
  expect(client.getQueryData(["alerts"])).toBe(3);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toBeGreaterThanOrEqual(4);
  expect(client.isFetching()).toBe(0);
  stop();
});
