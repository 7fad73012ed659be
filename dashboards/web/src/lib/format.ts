// Numbers, sizes, times and durations as people read them, in either language, always in Vietnam's time.
export type Language = "vi" | "en";

const LOCALES: Record<Language, string> = { vi: "vi-VN", en: "en-GB" };
const ZONE = "Asia/Ho_Chi_Minh";
/** There is no summer time. */
const ZONE_OFFSET = "+07:00";
const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"];
const DURATIONS: Record<Language, [day: string, hour: string, minute: string, second: string]> = {
  vi: ["ngày", "giờ", "phút", "giây"],
  en: ["d", "h", "min", "s"],
};

/** Shown where there is no value. */
export const NONE = "–";

type Value = number | null | undefined;

const absent = (value: Value): value is null | undefined =>
  value === null || value === undefined || !Number.isFinite(value);

export function formatNumber(value: Value, language: Language, digits = 1): string {
  if (absent(value)) return NONE;
  return new Intl.NumberFormat(LOCALES[language], { maximumFractionDigits: digits, signDisplay: "negative" }).format(value);
}

/** 0.421 is `42,1 %`. */
export function formatRatio(value: Value, language: Language): string {
  return absent(value) ? NONE : `${formatNumber(value * 100, language)} %`;
}

/** Decimal sizes: 1 kB is 1,000 bytes. */
export function formatBytes(value: Value, language: Language): string {
  if (absent(value)) return NONE;
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.95 && unit < SIZES.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${formatNumber(size, language, unit === 0 ? 0 : 1)} ${SIZES[unit]}`;
}

/** `dd/MM/yyyy HH:mm:ss`. */
export function formatTime(ms: Value): string {
  if (absent(ms)) return NONE;
  const part = timeParts(ms);
  return `${part("day")}/${part("month")}/${part("year")} ${part("hour")}:${part("minute")}:${part("second")}`;
}

/** `HH:mm`, or `dd/MM HH:mm` where the day matters. */
export function formatShortTime(ms: Value, withDay: boolean): string {
  if (absent(ms)) return NONE;
  const part = timeParts(ms);
  const clock = `${part("hour")}:${part("minute")}`;
  return withDay ? `${part("day")}/${part("month")} ${clock}` : clock;
}

/** As an input of type `datetime-local` holds it. */
export function toInput(ms: number): string {
  const part = timeParts(ms);
  return `${part("year")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}`;
}

/** What such an input holds, meant in Vietnam's time whatever the browser's zone is; NaN while it is incomplete. */
export const fromInput = (text: string): number => Date.parse(`${text}${ZONE_OFFSET}`);

function timeParts(ms: number) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: ZONE,
    day: "2-digit",
    month: "2-digit",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).formatToParts(ms);
  return (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? "";
}

/** The two largest parts: `2 ngày 3 giờ`, `5 phút 10 giây`. */
export function formatDuration(seconds: Value, language: Language): string {
  if (absent(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const amounts = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const first = amounts.findIndex((amount) => amount > 0);
  if (first < 0) return `0 ${DURATIONS[language][3]}`;
  return amounts
    .map((amount, at) => ({ amount, at }))
    .slice(first, first + 2)
    .filter(({ amount }) => amount > 0)
    .map(({ amount, at }) => `${amount} ${DURATIONS[language][at]}`)
    .join(" ");
}

/** Everything above for one language. */
export function formatsOf(language: Language) {
  return {
    number: (value: Value, digits?: number) => formatNumber(value, language, digits),
    ratio: (value: Value) => formatRatio(value, language),
    bytes: (value: Value) => formatBytes(value, language),
    duration: (seconds: Value) => formatDuration(seconds, language),
    time: formatTime,
  };
}
