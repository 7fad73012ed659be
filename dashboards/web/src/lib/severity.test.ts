// What is worse than what, and that "not known" is never good.
import { expect, it } from "vitest";
import { byUrgency, countTone, severityRank, severityTone, stateTone } from "./severity";

it("orders severities from critical to info, the unknown near the top", () => {
  const given = ["info", "low", "nonsense", "critical", "warning", "high"];
  const sorted = given.toSorted((one, other) => severityRank(one) - severityRank(other));
  expect(sorted).toEqual(["critical", "nonsense", "high", "warning", "low", "info"]);
});

it("puts the newest of the same severity first", () => {
  const alerts = [
    { severity: "low", starts_at_ms: 9 },
    { severity: "high", starts_at_ms: 1 },
    { severity: "high", starts_at_ms: 2 },
  ];
  expect(alerts.toSorted(byUrgency).map((alert) => alert.starts_at_ms)).toEqual([2, 1, 9]);
});

it("never shows the unknown as good", () => {
  for (const state of ["unknown", "not_run", "waiting", "", "new-in-a-later-version"]) {
    expect(stateTone(state)).toBe("none");
  }
  expect(severityTone("nonsense")).toBe("bad");
});

it("calls a count good only when all is known and nothing is bad", () => {
  expect(countTone(0, 0, 3)).toBe("good");
  expect(countTone(0, 1, 3)).toBe("none");
  expect(countTone(0, 0, 0)).toBe("none");
  expect(countTone(1, 1, 3)).toBe("bad");
});
