// Old data must look old.
import { expect, it } from "vitest";
import { freshness, retryDelayMs } from "./staleness";

it("is fresh up to the bound and stale beyond it", () => {
  expect(freshness(1_000, 31_000, true)).toEqual({ state: "fresh", ageSeconds: 30 });
  expect(freshness(1_000, 32_000, true)).toEqual({ state: "stale", ageSeconds: 31 });
});

it("has nothing to show before the first sample", () => {
  expect(freshness(null, 5, true)).toEqual({ state: "none" });
  expect(freshness(0, 5, true)).toEqual({ state: "none" });
});

it("is lost without the stream, however new the newest sample", () => {
  expect(freshness(1_000, 2_000, false)).toEqual({ state: "lost", ageSeconds: 1 });
});

it("is never negative when clocks disagree", () => {
  expect(freshness(9_000, 2_000, true)).toEqual({ state: "fresh", ageSeconds: 0 });
});

it("waits longer after each failure, at most half a minute", () => {
  expect([0, 1, 2, 9, 99].map(retryDelayMs)).toEqual([1000, 2000, 4000, 30_000, 30_000]);
});
