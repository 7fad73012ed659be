// `/api/notifications`: what was sent to people, and what could not be.
import { call } from "./client";

export type Notification = {
  id: string;
  receiver: string;
  integration: string;
  alerts: number;
  status: "firing" | "resolved";
  state: "queued" | "sent" | "failed" | "undeliverable" | "dead" | "dismissed";
  attempts: number;
  created_at_ms: number;
  sent_at_ms: number | null;
  last_error: string | null;
};

export const getNotifications = () => call<Notification[]>("GET", "/api/notifications");
