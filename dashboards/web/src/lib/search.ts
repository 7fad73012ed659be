// Search as Vietnamese people type: `sao luu` finds `Sao lưu`, `dien bien` finds `Điện Biên`.

/** Lower case, without diacritics, đ as d. */
export function fold(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/[đĐ]/g, "d")
    .toLowerCase();
}

/** Whether every word of `wanted` occurs somewhere in `texts`. */
export function matches(wanted: string, ...texts: (string | null | undefined)[]): boolean {
  const text = fold(texts.filter(Boolean).join(" "));
  return fold(wanted)
    .split(/\s+/)
    .every((word) => text.includes(word));
}
