import { expect, it } from "vitest";
import type { LifeStory } from "../api/history";
import { timeline } from "./timeline";

const story: LifeStory = {
  fingerprint: "f",
  labels: { alertname: "DiskFull" },
  pending_at_ms: 100,
  fired_at_ms: 200,
  acknowledged_at_ms: 300,
  resolved_at_ms: 900,
  told: true,
  changes: [
    { at_ms: 200, what: "firing", detail: "" },
    { at_ms: 300, what: "acknowledged", detail: "lan: thay đĩa" },
    { at_ms: 900, what: "resolved", detail: "" },
  ],
  notifications: [
    { id: "1", receiver: "r", integration: "webhook/0", is_end: false, state: "sent", created_at_ms: 200, finished_at_ms: 201, attempts: 1, last_error: "" },
    { id: "2", receiver: "r", integration: "webhook/0", is_end: true, state: "dead", created_at_ms: 950, finished_at_ms: 999, attempts: 9, last_error: "500" },
  ],
  silences: [
    { id: "a", starts_at_ms: 50, ends_at_ms: 400, created_by: "minh", comment: "bảo trì" },
    { id: "b", starts_at_ms: 500, ends_at_ms: 5_000, created_by: "minh", comment: "" },
  ],
  cut: false,
};

const told = (life: LifeStory, now: number) =>
  timeline(life, now).map((one) => `${one.at_ms} ${one.kind === "change" ? one.what : one.kind === "told" ? `told ${one.telling.id}` : one.kind}`);

it("tells what happened in the order of time, and at one time in the order of cause", () => {
  expect(told(story, 2_000)).toEqual([
    "100 pending", "200 firing", "200 silenced", "200 told 1", "300 acknowledged", "400 unsilenced", "500 silenced", "900 resolved", "950 told 2",
  ]);
});

it("leaves out a phase that was not, and an end that has not come", () => {
  const open = { ...story, pending_at_ms: 200, resolved_at_ms: null, changes: story.changes.slice(0, 2), notifications: [] };
  expect(told(open, 350)).toEqual(["200 firing", "200 silenced", "300 acknowledged", "500 silenced"]);
});
