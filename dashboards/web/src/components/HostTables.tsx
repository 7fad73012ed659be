// What is known of a host, in tables: filesystems, probes, gaps in its data.
import type { Filesystem, Gap, Probe } from "../api/hosts";
import { useText, type Key } from "../i18n";
import { Meter } from "./Meter";
import { Sheet } from "./Page";
import { Mark } from "./StateMark";

function Heads({ names }: { names: Key[] }) {
  const { t } = useText();
  return (
    <thead>
      <tr>{names.map((name) => <th key={name} scope="col">{t(name)}</th>)}</tr>
    </thead>
  );
}

export function Filesystems({ rows }: { rows: Filesystem[] }) {
  const { t, format } = useText();
  if (rows.length === 0) return <p className="dim">{t("host.filesystems_none")}</p>;
  return (
    <Sheet label={t("host.filesystems")}>
      <Heads names={["fs.mountpoint", "fs.use", "fs.free", "fs.size", "fs.type", "fs.device", "fs.mode"]} />
      <tbody>
        {rows.map((row) => (
          <tr key={`${row.device} ${row.mountpoint}`}>
            <th scope="row">{row.mountpoint}</th>
            <td><Meter ratio={row.size_bytes > 0 ? 1 - row.avail_bytes / row.size_bytes : null} /></td>
            <td className="figure">{format.bytes(row.avail_bytes)}</td>
            <td className="figure">{format.bytes(row.size_bytes)}</td>
            <td>{row.fstype}</td>
            <td>{row.device}</td>
            <td>{row.read_only ? <Mark tone="caution">{t("fs.read_only")}</Mark> : t("fs.read_write")}</td>
          </tr>
        ))}
      </tbody>
    </Sheet>
  );
}

export function Probes({ rows }: { rows: Probe[] }) {
  const { t, format } = useText();
  if (rows.length === 0) return <p className="dim">{t("host.probes_none")}</p>;
  return (
    <Sheet label={t("host.probes")}>
      <Heads names={["probe.name", "probe.result", "probe.target", "probe.time", "probe.certificate"]} />
      <tbody>
        {rows.map((row) => (
          <tr key={`${row.probe} ${row.target}`}>
            <th scope="row">{row.probe}</th>
            <td>
              <Mark tone={row.success ? "good" : "bad"}>{t(row.success ? "probe.passed" : "probe.failed")}</Mark>
              <div className="dim small">{[row.kind, row.http_status, row.failure].filter(Boolean).join(" · ")}</div>
            </td>
            <td>{row.target}</td>
            <td className="figure">{format.time(row.time_ms)}</td>
            <td className="figure">{format.time(row.certificate_expiry_ms)}</td>
          </tr>
        ))}
      </tbody>
    </Sheet>
  );
}

export function Gaps({ rows }: { rows: Gap[] }) {
  const { t, word, format } = useText();
  if (rows.length === 0) return <p className="dim">{t("host.gaps_none")}</p>;
  return (
    <Sheet label={t("host.gaps")}>
      <Heads names={["gap.from", "gap.to", "gap.stream", "gap.reason", "gap.lost"]} />
      <tbody>
        {rows.map((row, at) => (
          <tr key={at}>
            <td className="figure">{format.time(row.from_ms)}</td>
            <td className="figure">{format.time(row.to_ms)}</td>
            <td>{word("stream", row.stream)}</td>
            <td>{word("gap_reason", row.reason)}</td>
            <td>{t("gap.lost_value", { samples: format.number(row.samples, 0), events: format.number(row.events, 0) })}</td>
          </tr>
        ))}
      </tbody>
    </Sheet>
  );
}
