// Sorting of tables.
import { expect, it } from "vitest";
import { sorted } from "./sort";

const rows = [{ id: "srv10", load: 2 }, { id: "srv2", load: null }, { id: "srv1", load: 7 }];

it("puts numbers in names in their natural order", () => {
  expect(sorted(rows, { by: "id", down: false }).map((row) => row.id)).toEqual(["srv1", "srv2", "srv10"]);
});

it("puts rows without a value last, up and down", () => {
  expect(sorted(rows, { by: "load", down: false }).map((row) => row.load)).toEqual([2, 7, null]);
  expect(sorted(rows, { by: "load", down: true }).map((row) => row.load)).toEqual([7, 2, null]);
});
