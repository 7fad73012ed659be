// `/api/setup`: the first user, made with the code that the collector printed.
import { call } from "./client";
import type { Session, User } from "./session";

export async function setUp(code: string, name: string, password: string): Promise<Session> {
  const answer = await call<{ user: User }>("POST", "/api/setup", { code, name, password });
  return { user: answer.user, setup: false };
}
