// `/api/session`: who is signed in, and what they may do. The collector knows what each role may; pages only ask.
import { ApiError, call } from "./client";

export type Action =
  | "see_alerts"
  | "see_all"
  | "handle_alerts"
  | "silence"
  | "confirm_silences"
  | "swap_duty"
  | "tend_channels"
  | "run_drills"
  | "read_audit"
  | "administer";

export type User = { name: string; role: string; may: Action[]; scope: string | null };

/** `user` is null for a visitor; `setup` says that no user exists yet. */
export type Session = { user: User | null; setup: boolean };

export const VISITOR: Session = { user: null, setup: false };

export async function getSession(): Promise<Session> {
  try {
    const answer = await call<{ user: User }>("GET", "/api/session");
    return { user: answer.user, setup: false };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const body = error.body as { setup?: boolean } | null;
    return { user: null, setup: body?.setup === true };
  }
}

export async function signIn(name: string, password: string): Promise<Session> {
  const answer = await call<{ user: User }>("POST", "/api/session", { name, password });
  return { user: answer.user, setup: false };
}

export async function signOut(): Promise<void> {
  await call("DELETE", "/api/session");
}
