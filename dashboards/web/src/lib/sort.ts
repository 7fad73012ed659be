// Sorting of table rows by a column; rows without a value come last either way.
export type Sort<Column> = { by: Column; down: boolean };

export function sorted<Row>(rows: Row[], { by, down }: Sort<keyof Row>): Row[] {
  const sign = down ? -1 : 1;
  return rows.toSorted((one, other) => {
    const [left, right] = [one[by], other[by]];
    if (left === null || left === undefined) return right === null || right === undefined ? 0 : 1;
    if (right === null || right === undefined) return -1;
    if (typeof left === "number" && typeof right === "number") return sign * (left - right);
    return sign * String(left).localeCompare(String(right), "vi", { numeric: true });
  });
}
