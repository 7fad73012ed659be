// `/api/tokens`: one-time tokens with which a new host joins.
import { call } from "./client";

export type Token = { token: string; command: string };

export const createToken = (host: string | null, lifetime_seconds: number) =>
  call<Token>("POST", "/api/tokens", { host, lifetime_seconds });
