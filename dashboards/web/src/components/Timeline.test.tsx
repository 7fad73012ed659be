// The timeline as markup: what a person reads, in order.
import { renderToStaticMarkup } from "react-dom/server";
import { expect, it, vi } from "vitest";
import type { LifeStory } from "../api/history";

// The language is set on the document when the texts are loaded.
vi.stubGlobal("document", { documentElement: {} });
const { Timeline } = await import("./Timeline");

const at = Date.UTC(2026, 10, 23, 1, 0);
const story: LifeStory = {
  fingerprint: "f",
  labels: { alertname: "DiskFull" },
  pending_at_ms: at,
  fired_at_ms: at + 60_000,
  acknowledged_at_ms: null,
  resolved_at_ms: null,
  told: false,
  changes: [{ at_ms: at + 60_000, what: "firing", detail: "" }],
  notifications: [
    { id: "1", receiver: "truc-ban", integration: "email/0", is_end: false, state: "dead", created_at_ms: at + 61_000, finished_at_ms: null, attempts: 9, last_error: "không có máy <mail>" },
  ],
  silences: [{ id: "s", starts_at_ms: at + 120_000, ends_at_ms: at + 180_000, created_by: "minh", comment: "bảo trì" }],
  cut: true,
};

const lines = (markup: string) =>
  markup.replace(/<svg.*?<\/svg>/g, "").split(/<\/li>|<\/p>/).map((line) => line.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim()).filter(Boolean);

it("tells each step with its time, its outcome and why", () => {
  expect(lines(renderToStaticMarkup(<Timeline story={story} now_ms={at + 3_600_000} />))).toEqual([
    "23/11/2026 08:00:00 Mới thấy, đang theo dõi",
    "23/11/2026 08:01:00 Bắt đầu báo động",
    "23/11/2026 08:01:01 Báo cho truc-ban (email/0): Không tới nơi, đã ngừng thử sau 9 lần gửi không có máy &lt;mail&gt;",
    "23/11/2026 08:02:00 minh tạm tắt: bảo trì",
    "23/11/2026 08:03:00 Hết tạm tắt của minh",
    "Còn nhiều việc sau đó không hiện ở đây",
  ]);
});
