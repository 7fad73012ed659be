// `/api/silences`: what people asked not to be told for a while.
import { call } from "./client";

export type SilenceMatcher = { name: string; op: string; value: string };

export type Silence = {
  id: string;
  matchers: SilenceMatcher[];
  starts_at_ms: number;
  ends_at_ms: number;
  created_by: string;
  comment: string;
  state: "active" | "pending" | "expired";
  /** So wide that it is not in force until a second person confirms it. */
  awaits_confirmation: boolean;
  confirmed_by: string | null;
};

export type NewSilence = Pick<Silence, "matchers" | "starts_at_ms" | "ends_at_ms" | "created_by" | "comment">;

export const getSilences = () => call<Silence[]>("GET", "/api/silences");

export const addSilence = (silence: NewSilence) =>
  call<{ id: string; waits_because: string | null }>("POST", "/api/silences", silence);

/** It ends later than it would; a wide one waits to be confirmed again. */
export const extendSilence = (id: string, ends_at_ms: number) =>
  call<{ id: string; waits_because: string | null }>("POST", `/api/silences/${encodeURIComponent(id)}/extend`, { ends_at_ms });

export const confirmSilence = (id: string) =>
  call("POST", `/api/silences/${encodeURIComponent(id)}/confirm`, {});

export const endSilence = (id: string) =>
  call("DELETE", `/api/silences/${encodeURIComponent(id)}`);
