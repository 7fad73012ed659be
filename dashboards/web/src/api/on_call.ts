// `/api/on-call`: who is on duty, now and in the days to come, and swaps.
import { call } from "./client";

export type Stretch = { from_ms: number; until_ms: number; people: string[]; by: "swap" | "shift" | "rotation" | "everybody" };

export type Swap = { id: string; person: string; from_ms: number; until_ms: number; made_by: string; note: string };

export type Roster = { roster: string; stretches: Stretch[]; swaps: Swap[]; /** Who can stand in. */ people: string[] };

export type NewSwap = { roster: string; person: string; from_ms: number; until_ms: number; note: string };

export const getOnCall = () => call<Roster[]>("GET", "/api/on-call?days=7");

export const addSwap = (swap: NewSwap) => call<{ id: string }>("POST", "/api/on-call/swaps", swap);

export const takeBackSwap = (id: string) => call("DELETE", `/api/on-call/swaps/${encodeURIComponent(id)}`);
