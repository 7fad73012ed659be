// `/api/hosts`: the watched machines.
import { call } from "./client";

export type HostState = "up" | "down" | "unknown" | "planned";

export type Host = {
  id: string;
  site: string | null;
  unit: string | null;
  role: string | null;
  state: HostState;
  last_report_ms: number | null;
  clock_offset_ms: number | null;
  agent_version: string | null;
  alerts: number;
  cpu_ratio: number | null;
  memory_ratio: number | null;
  disk_ratio: number | null;
  load1: number | null;
  uptime_seconds: number | null;
};

export type Gap = {
  stream: string;
  reason: string;
  from_ms: number | null;
  to_ms: number | null;
  samples: number | null;
  events: number | null;
};

export type Filesystem = {
  mountpoint: string;
  device: string;
  fstype: string;
  size_bytes: number;
  avail_bytes: number;
  read_only: boolean;
};

export type Probe = {
  probe: string;
  kind: string;
  target: string;
  success: boolean;
  time_ms: number;
  http_status: number | null;
  certificate_expiry_ms: number | null;
  failure: string | null;
};

export type HostDetails = Host & {
  facts: Record<string, string>;
  gaps: Gap[];
  filesystems: Filesystem[];
  probes: Probe[];
};

export const getHosts = () => call<Host[]>("GET", "/api/hosts");

export const getHost = (id: string) =>
  call<HostDetails>("GET", `/api/hosts/${encodeURIComponent(id)}`);
