// `/api/overview`: the whole province in one answer.
import { call } from "./client";

export type ServiceState = "up" | "degraded" | "down" | "unknown";

export type Service = {
  id: string;
  name: string;
  state: ServiceState;
  reasons: string[];
  alerts: number;
};

export type Overview = {
  now_ms: number;
  province: string | null;
  hosts: { total: number; up: number; down: number; unknown: number };
  alerts: { critical: number; high: number; medium: number; low: number; info: number };
  backups: { total: number; ok: number; late: number; failed: number; unknown: number };
  services: Service[];
  notifications: { configured: boolean; outbox: number; failing: number; dead: number };
  collector: {
    ready: boolean;
    reasons: string[];
    version: string;
    free_bytes: number;
    newest_sample_ms: number | null;
  };
};

export const getOverview = () => call<Overview>("GET", "/api/overview");
