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

/** One place where copies of a planned backup lie. */
export type CopyPlace = {
  place: string;
  location: string;
  site: string | null;
  medium: string;
  offline: boolean;
  immutable: boolean;
  state: "current" | "behind" | "stopped" | "different" | "missing" | "damaged" | "unseen";
  behind_ms: number | null;
  copies: number;
  oldest_ms: number | null;
  /** The moment whose data the newest copy holds. */
  consistent_ms: number | null;
  verified: { depth: string; at_ms: number; consistent_ms: number | null }[];
  error: string | null;
};

/** What the copies of a planned backup are worth. */
export type BackupTruth = {
  places: CopyPlace[];
  sites: { site: string; listed_ms: number | null; verified_ms: number | null }[];
  /** Digits of 3-2-1-1-0 that are not kept; null when the policy asks for none. */
  broken: string[] | null;
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
  /** Null when it is not planned. */
  truth: BackupTruth | null;
  /** The last 14, newest first. */
  runs: BackupRun[];
};

export const getBackups = () => call<Backup[]>("GET", "/api/backups");
