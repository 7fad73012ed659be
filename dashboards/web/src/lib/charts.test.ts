// Charts never draw a line over a hole in the data.
import { expect, it } from "vitest";
import { align, chartPlans, newest, RANGES } from "./charts";

it("leaves holes where nothing was measured", () => {
  const series = { metric: {}, values: [[100, "1"], [130, "NaN"], [145, "2.5"]] as [number, string][] };
  const { times, lines } = align([{ name: "a", series }], 100, 160, 15);
  expect(times).toEqual([100, 115, 130, 145, 160]);
  expect(lines[0]?.values).toEqual([1, null, null, 2.5, null]);
});

it("has no newest value once a series has ended", () => {
  expect(newest({ name: "a", values: [7, 8, null] })).toBe(8);
  expect(newest({ name: "a", values: [7, null, null, null] })).toBe(null);
});

it("asks for few enough points in every range", () => {
  for (const { seconds, step } of Object.values(RANGES)) expect(seconds / step).toBeLessThanOrEqual(300);
});

it("asks only for the one host, whatever its name", () => {
  for (const plan of chartPlans('a"b', 15)) {
    for (const { expression } of plan.queries) expect(expression).toContain('host="a\\"b"');
  }
});
