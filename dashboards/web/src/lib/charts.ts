// The charts of a host's page: what they ask for and how their figures read. Pure.
import type { Key } from "../i18n";
import type { RangeSeries } from "../api/query_range";

export type RangeName = "1h" | "6h" | "24h" | "7d";

/** How long a range is and how far its points lie apart, in seconds; about 250 points each. */
export const RANGES: Record<RangeName, { seconds: number; step: number }> = {
  "1h": { seconds: 3_600, step: 15 },
  "6h": { seconds: 21_600, step: 90 },
  "24h": { seconds: 86_400, step: 300 },
  "7d": { seconds: 604_800, step: 2_400 },
};

export type Unit = "ratio" | "bytes" | "bytes_per_second" | "number";

/** `legend` names a line by a text, in which a label of the series may stand; without one, `label` names it. */
export type ChartQuery = { expression: string; legend?: Key; label?: string };

export type ChartPlan = { title: Key; unit: Unit; max?: number; queries: ChartQuery[] };

const REAL_FILESYSTEMS = 'fstype!~"tmpfs|devtmpfs|overlay|squashfs|ramfs|efivarfs"';
const REAL_DISKS = 'device!~"(loop|ram|zram|dm-).*"';

/** `window` is the range of `rate`, long enough for two samples. */
export function chartPlans(host: string, step: number): ChartPlan[] {
  const on = `host=${JSON.stringify(host)}`;
  const rate = (metric: string, more = "") => `rate(${metric}{${on}${more ? `,${more}` : ""}}[${Math.max(60, step * 2)}s])`;
  const now = (metric: string, more = "") => `${metric}{${on}${more ? `,${more}` : ""}}`;
  return [
    {
      title: "chart.cpu",
      unit: "ratio",
      max: 1,
      queries: [{ expression: `avg by (mode) (${rate("node_cpu_seconds_total", 'mode!="idle"')})`, label: "mode" }],
    },
    {
      title: "chart.memory",
      unit: "bytes",
      queries: [
        { expression: `${now("node_memory_MemTotal_bytes")} - ${now("node_memory_MemAvailable_bytes")}`, legend: "chart.used" },
        { expression: `${now("node_memory_Cached_bytes")} + ${now("node_memory_Buffers_bytes")}`, legend: "chart.cache" },
        { expression: now("node_memory_MemTotal_bytes"), legend: "chart.total" },
        { expression: `${now("node_memory_SwapTotal_bytes")} - ${now("node_memory_SwapFree_bytes")}`, legend: "chart.swap" },
      ],
    },
    {
      title: "chart.load",
      unit: "number",
      queries: [
        { expression: now("node_load1"), legend: "chart.load1" },
        { expression: now("node_load5"), legend: "chart.load5" },
        { expression: now("node_load15"), legend: "chart.load15" },
      ],
    },
    {
      title: "chart.disk_use",
      unit: "ratio",
      max: 1,
      queries: [
        {
          expression: `1 - ${now("node_filesystem_avail_bytes", REAL_FILESYSTEMS)} / ${now("node_filesystem_size_bytes", REAL_FILESYSTEMS)}`,
          label: "mountpoint",
        },
      ],
    },
    {
      title: "chart.network",
      unit: "bytes_per_second",
      queries: [
        { expression: rate("node_network_receive_bytes_total", 'device!="lo"'), legend: "chart.receive" },
        { expression: rate("node_network_transmit_bytes_total", 'device!="lo"'), legend: "chart.transmit" },
      ],
    },
    {
      title: "chart.disk_io",
      unit: "bytes_per_second",
      queries: [
        { expression: rate("node_disk_read_bytes_total", REAL_DISKS), legend: "chart.read" },
        { expression: rate("node_disk_written_bytes_total", REAL_DISKS), legend: "chart.write" },
      ],
    },
    {
      title: "chart.pressure",
      unit: "ratio",
      queries: [
        { expression: rate("node_pressure_cpu_waiting_seconds_total"), legend: "chart.wait_cpu" },
        { expression: rate("node_pressure_memory_waiting_seconds_total"), legend: "chart.wait_memory" },
        { expression: rate("node_pressure_io_waiting_seconds_total"), legend: "chart.wait_io" },
      ],
    },
  ];
}

export type Line = { name: string; values: (number | null)[] };

/** Puts series on one axis of times; where a series has no value there is a hole, not a line across it. */
export function align(
  named: { name: string; series: RangeSeries }[],
  start: number,
  end: number,
  step: number,
): { times: number[]; lines: Line[] } {
  const times = Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, at) => start + at * step);
  const lines = named.map(({ name, series }) => {
    const values: (number | null)[] = times.map(() => null);
    for (const [time, text] of series.values) {
      const at = Math.round((time - start) / step);
      const value = Number(text);
      if (at >= 0 && at < values.length && Number.isFinite(value)) values[at] = value;
    }
    return { name, values };
  });
  return { times, lines };
}

/** The last value of a line, if it is still there at the end of the range (its last three points). */
export const newest = (line: Line) => line.values.slice(-3).findLast((value) => value !== null) ?? null;
