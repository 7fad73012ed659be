// `/api/alerts`: what is wrong now, and what was in the last day.
import { callForList } from "./client";

export type AlertState = "pending" | "firing" | "resolved";

export type Alert = {
  fingerprint: string;
  name: string;
  state: AlertState;
  severity: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** When it began to fire; of a pending one, since when its condition holds. */
  starts_at_ms: number;
  /** Of a pending alert: when it fires if its condition still holds then. */
  fires_at_ms: number | null;
  ends_at_ms: number | null;
  acknowledged: { by: string; at_ms: number; note: string | null; until_ms: number | null } | null;
  /** A user's name. */
  assignee: string | null;
  silenced: boolean;
  /** Explained by another alert. */
  inhibited: boolean;
  value: number | null;
};

/** Firing, and neither silenced nor explained by another: what the overview counts. */
export const isLoud = (alert: Alert) => alert.state === "firing" && !alert.silenced && !alert.inhibited;

/** In a storm more resolve within a day than are listed. */
export const getAlerts = () => callForList<Alert>("/api/alerts");
