// How people read figures.
import { describe, expect, it } from "vitest";
import { formatBytes, formatDuration, formatNumber, formatRatio, formatShortTime, formatTime, fromInput, toInput } from "./format";

describe("figures", () => {
  it("have a decimal comma and a dot between thousands in Vietnamese", () => {
    expect(formatNumber(1805.25, "vi", 2)).toBe("1.805,25");
    expect(formatNumber(1805.25, "en", 2)).toBe("1,805.25");
  });
  it("are a dash where nothing was measured, never a zero", () => {
    for (const nothing of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(formatNumber(nothing, "vi")).toBe("–");
      expect(formatRatio(nothing, "vi")).toBe("–");
      expect(formatBytes(nothing, "vi")).toBe("–");
      expect(formatDuration(nothing, "vi")).toBe("–");
      expect(formatTime(nothing)).toBe("–");
    }
  });
  it("are sizes in the next unit once they would read 1000", () => {
    expect(formatBytes(0, "vi")).toBe("0 B");
    expect(formatBytes(999, "vi")).toBe("999 B");
    expect(formatBytes(999_960, "vi")).toBe("1 MB");
    expect(formatBytes(142_800_000_000_000, "vi")).toBe("142,8 TB");
  });
  it("are never minus zero", () => expect(formatNumber(-0.002, "vi")).toBe("0"));
  it("are shares in percent", () => expect(formatRatio(0.4214, "vi")).toBe("42,1 %"));
});

describe("times", () => {
  it("are Vietnam's wherever the browser is", () => {
    expect(formatTime(Date.UTC(2026, 10, 21, 17, 5, 9))).toBe("22/11/2026 00:05:09");
    expect(formatShortTime(Date.UTC(2026, 10, 21, 17, 5, 9), true)).toBe("22/11 00:05");
  });
  it("last as long as their two largest parts say", () => {
    expect(formatDuration(0.4, "vi")).toBe("0 giây");
    expect(formatDuration(310, "vi")).toBe("5 phút 10 giây");
    expect(formatDuration(86_400 * 2 + 3 * 3_600 + 59, "vi")).toBe("2 ngày 3 giờ");
    expect(formatDuration(3_600, "en")).toBe("1 h");
  });
});

describe("a time that is chosen", () => {
  it("is Vietnam's, whatever the zone of the browser is", () => {
    expect(fromInput("1970-01-01T07:00")).toBe(0);
    expect(toInput(fromInput("2026-11-30T22:05"))).toBe("2026-11-30T22:05");
    expect(fromInput("")).toBeNaN();
  });
});
