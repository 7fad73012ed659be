// Search without diacritics.
import { describe, expect, it } from "vitest";
import { fold, matches } from "./search";

describe("search", () => {
  it("folds diacritics, composed or not, and đ", () => {
    expect(fold("Sao lưu Đà Nẵng")).toBe("sao luu da nang");
    expect(fold("Sao lưu".normalize("NFD"))).toBe("sao luu");
  });
  it("finds every word in any order and field", () => {
    expect(matches("luu sao", "Sao lưu", null)).toBe(true);
    expect(matches("dc1 mot cua", "dc1-srv01", "Một cửa điện tử")).toBe(true);
    expect(matches("dc2 mot cua", "dc1-srv01", "Một cửa điện tử")).toBe(false);
  });
  it("finds everything when nothing is asked", () => expect(matches(" ", "x")).toBe(true));
});
