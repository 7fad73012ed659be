// `/api/history/…`: when alerts fired, what happened in each life, how long people took, the week's budget.
import { call, withQuery } from "./client";
import type { Entry } from "./handling";

/** One time that an alert fired. */
export type Life = {
  fingerprint: string;
  labels: Record<string, string>;
  pending_at_ms: number;
  fired_at_ms: number;
  acknowledged_at_ms: number | null;
  resolved_at_ms: number | null;
  /** A receiver took a notification of it. */
  told: boolean;
};

/** `older_than` asks for what comes behind; `null` where nothing does. */
export type LivesPage = { lives: Life[]; older_than: string | null };

export type Telling = {
  id: string;
  receiver: string;
  integration: string;
  is_end: boolean;
  state: string;
  created_at_ms: number;
  finished_at_ms: number | null;
  attempts: number;
  last_error: string;
};

export type LifeSilence = { id: string; starts_at_ms: number; ends_at_ms: number; created_by: string; comment: string };

export type LifeStory = Life & { changes: Entry[]; notifications: Telling[]; silences: LifeSilence[]; cut: boolean };

/** What some lives come to. */
export type Tally = {
  fired: number;
  told: number;
  fleeting: number;
  acknowledged: number;
  mean_to_acknowledge_ms: number | null;
  mean_to_resolve_ms: number | null;
};

export type Summary = { rows: (Tally & { value: string })[]; all: Tally; left_out: number };

export type BudgetPart = Tally & { name: string; matchers: string; per_week: number | null };

export type Budget = { from_ms: number; to_ms: number; fleeting_within_ms: number; parts: BudgetPart[] };

export type Span = { from_ms: number; matchers: string };

export const getLives = (span: Span, older_than?: string) =>
  call<LivesPage>("GET", withQuery("/api/history/lives", { ...span, older_than }));

export const getLife = (life: Life) =>
  call<LifeStory>("GET", `/api/history/lives/${encodeURIComponent(life.fingerprint)}/${life.fired_at_ms}`);

export const getSummary = (span: Span, by: string) => call<Summary>("GET", withQuery("/api/history/summary", { ...span, by }));

export const getBudget = () => call<Budget>("GET", "/api/history/budget");
