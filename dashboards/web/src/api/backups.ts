// `/api/backups`: every job of every host, and whether its copies can be trusted.
import { call } from "./client";

export type BackupState = "ok" | "late" | "failed" | "empty" | "unproven" | "unknown";

export type BackupRun = {
  started_ms: number;
  finished_ms: number | null;
  outcome: string;
  exit_code: number | null;
  bytes: number | null;
  files: number | null;
  detail: string | null;
  reported_by: string | null;
};

export type BackupCopy = {
  location: string;
  tool: string;
  newest_ms: number | null;
  /** The moment whose data the newest copy holds. */
  consistent_ms: number | null;
  oldest_ms: number | null;
  bytes: number | null;
  copies: number | null;
  depth: string;
  observed_ms: number;
  error: string | null;
  error_ms: number | null;
  content_id: string | null;
  /** At most 32, the newest first. */
  recent: { content_id: string; consistent_ms: number | null; bytes: number | null }[];
};

export type Backup = {
  host: string;
  backup: string;
  tool: string;
  state: BackupState;
  expected_interval_seconds: number | null;
  last_run: BackupRun | null;
  last_success_ms: number | null;
  last_success_bytes: number | null;
  copies: BackupCopy[];
  /** The last 14, newest first. */
  runs: BackupRun[];
};

export const getBackups = () => call<Backup[]>("GET", "/api/backups");
