// `/api/users` and `/api/audit`: who may sign in, and who did what. For administrators (the audit log: auditors too).
import { call, withQuery } from "./client";

export const ROLES = ["admin", "operator", "security", "it-staff", "viewer", "auditor", "vendor"] as const;

export type Account = {
  name: string;
  role: string;
  /** Of a vendor: matchers of its own systems. */
  scope: string | null;
  disabled: boolean;
  created_ms: number;
  password_changed_ms: number;
};

export type AuditEntry = { number: number; time_ms: number; who: string; action: string; object: string; outcome: string };

export const getUsers = () => call<Account[]>("GET", "/api/users");

export const addUser = (name: string, role: string, scope: string, password: string) =>
  call("POST", "/api/users", { name, role, scope, password });

export const setPassword = (name: string, password: string) =>
  call("POST", `/api/users/${encodeURIComponent(name)}/password`, { password });

/** Holds from the user's next request on. */
export const setRole = (name: string, role: string, scope: string) =>
  call("POST", `/api/users/${encodeURIComponent(name)}/role`, { role, scope });

export const enableUser = (name: string) => call("POST", `/api/users/${encodeURIComponent(name)}/enable`);

export const disableUser = (name: string) => call("DELETE", `/api/users/${encodeURIComponent(name)}`);

/** The newest first, from `before` on. */
export const getAudit = (limit: number, before?: number) =>
  call<AuditEntry[]>("GET", withQuery("/api/audit", { limit, before }));
