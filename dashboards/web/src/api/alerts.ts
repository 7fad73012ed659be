// `/api/alerts`: what is wrong now, and what was in the last day.
import { call } from "./client";

export type AlertState = "pending" | "firing" | "resolved";

export type Alert = {
  fingerprint: string;
  name: string;
  state: AlertState;
  severity: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  starts_at_ms: number;
  ends_at_ms: number | null;
  acknowledged: { by: string; at_ms: number; note: string | null } | null;
  silenced: boolean;
  value: number | null;
};

export const getAlerts = () => call<Alert[]>("GET", "/api/alerts");

export const acknowledge = (fingerprint: string, note: string) =>
  call("POST", `/api/alerts/${encodeURIComponent(fingerprint)}/acknowledge`, { note });
