// `/api/events`: search in the security events; the collector does the searching.
import { call, withQuery } from "./client";

export type SecurityEvent = {
  id: string;
  host: string;
  time_ms: number;
  received_ms: number;
  class: string;
  severity: string;
  source: string;
  message: string;
  fields: Record<string, string>;
};

export type EventsPage = {
  events: SecurityEvent[];
  total: number;
  next: string | null;
  histogram: { at_ms: number; count: number }[];
  /** Days whose events could not be searched. */
  days_missing?: (string | number)[];
};

export type EventsQuery = {
  text?: string;
  host?: string;
  class?: string;
  source?: string;
  severity_min?: string;
  from_ms?: number;
  to_ms?: number;
  limit?: number;
  before?: string;
};

export const searchEvents = (query: EventsQuery) =>
  call<EventsPage>("GET", withQuery("/api/events", query));
