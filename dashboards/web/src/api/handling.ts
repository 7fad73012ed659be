// `/api/alerts/{fingerprint}` and below: one alert's history, and what people do about it.
import { call } from "./client";

/** One line of an alert's history: what happened, and who or why. */
export type Entry = { at_ms: number; what: string; detail: string };

const path = (fingerprint: string, deed = "") => `/api/alerts/${encodeURIComponent(fingerprint)}${deed}`;

export const getHistory = async (fingerprint: string) =>
  (await call<{ history: Entry[] }>("GET", path(fingerprint))).history;

export const acknowledge = (fingerprint: string, note: string, until_ms: number | null) =>
  call("POST", path(fingerprint, "/acknowledge"), { note, until_ms });

export const giveBack = (fingerprint: string, note: string) => call("POST", path(fingerprint, "/give-back"), { note });

/** An empty name is nobody. */
export const assign = (fingerprint: string, to: string, note: string) => call("POST", path(fingerprint, "/assign"), { to, note });

export const comment = (fingerprint: string, text: string) => call("POST", path(fingerprint, "/comment"), { text });
