// `/api/drills` and `/api/drill-runs`: rehearsals of the worst day.
import { call } from "./client";

export type StepKind = "manual" | "probe" | "query";

export type StepState = "waiting" | "running" | "passed" | "failed" | "skipped" | "not_run";

export type DrillPlan = {
  id: string;
  title_vi: string;
  title_en: string;
  scope: string;
  steps: { id: string; kind: StepKind; title_vi: string; title_en: string }[];
  objectives: { rto_seconds: number | null; rpo_seconds: number | null };
  site: string;
};

export type DrillStep = {
  id: string;
  kind: StepKind;
  title_vi: string;
  title_en: string;
  instruction_vi: string | null;
  instruction_en?: string | null;
  state: StepState;
  started_ms: number | null;
  finished_ms: number | null;
  detail: string;
};

export type DrillRun = {
  id: string;
  plan: string;
  state: "running" | "finished" | "aborted";
  started_by: string;
  started_ms: number;
  finished_ms: number | null;
  steps: DrillStep[];
  rto_seconds: number | null;
  rpo_seconds: number | null;
  verdict: string | null;
};

const run = (id: string) => `/api/drill-runs/${encodeURIComponent(id)}`;

export const getDrills = () =>
  call<{ plans: DrillPlan[]; runs: DrillRun[]; problems: string[] }>("GET", "/api/drills");

export const getDrillRun = (id: string) => call<DrillRun>("GET", run(id));

export const startDrill = (plan: string, confirm_site: string) =>
  call<DrillRun>("POST", `/api/drills/${encodeURIComponent(plan)}/start`, { confirm_site });

export const finishStep = (id: string, step: string, outcome: "passed" | "failed", note: string) =>
  call("POST", `${run(id)}/steps/${encodeURIComponent(step)}`, { outcome, note });

export const abortDrill = (id: string, reason: string) =>
  call("POST", `${run(id)}/abort`, { reason });

export const minutesAddress = (id: string) => `${run(id)}/minutes`;
