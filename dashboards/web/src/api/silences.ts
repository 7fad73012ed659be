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
};

export type NewSilence = Omit<Silence, "id" | "state">;

export const getSilences = () => call<Silence[]>("GET", "/api/silences");

export const addSilence = (silence: NewSilence) =>
  call<{ id: string }>("POST", "/api/silences", silence);

export const endSilence = (id: string) =>
  call("DELETE", `/api/silences/${encodeURIComponent(id)}`);
