// Both languages say everything, and neither forgets a figure.
import { expect, it } from "vitest";
import { en } from "./en";
import { vi } from "./vi";

const figures = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).toSorted();

it("has the same texts in both languages", () => {
  expect(Object.keys(en)).toEqual(Object.keys(vi));
});

it("says something in each text, with the same figures in it", () => {
  for (const [key, text] of Object.entries(vi)) {
    const other = en[key as keyof typeof vi];
    expect(text.trim(), key).not.toBe("");
    expect(other.trim(), key).not.toBe("");
    expect(figures(other), key).toEqual(figures(text));
  }
});

it("writes Vietnamese in composed letters, as search and fonts expect", () => {
  for (const text of Object.values(vi)) expect(text).toBe(text.normalize("NFC"));
});
