// One host: how it is, its charts, and what is known about it.
import { useQuery } from "@tanstack/react-query";
import { getHost, type HostDetails } from "../api/hosts";
import { Allowed } from "../components/Allowed";
import { Answer } from "../components/Answer";
import { useStaleClass } from "../components/Freshness";
import { HostCharts } from "../components/HostCharts";
import { Filesystems, Gaps, Probes } from "../components/HostTables";
import { Page, Section } from "../components/Page";
import { StateMark } from "../components/StateMark";
import { useText } from "../i18n";
import { useNowMs } from "../lib/live_state";

export default function Host({ id }: { id: string }) {
  const { t } = useText();
  const host = useQuery({ queryKey: ["host", id], queryFn: () => getHost(id), refetchInterval: 30_000 });
  const stale = useStaleClass();
  return (
    <Page title={id} aside={host.data && <StateMark group="host_state" state={host.data.state} />}>
      <Answer query={host}>
        {(data) => (
          <div className={data.state === "up" ? stale : "is-stale"}>
            <Summary host={data} />
            <HostCharts host={id} lastReportMs={data.last_report_ms} />
            <Section title={t("host.filesystems")}><Filesystems rows={data.filesystems} /></Section>
            <Section title={t("host.probes")}><Probes rows={data.probes} /></Section>
            <Section title={t("host.gaps")}><Gaps rows={data.gaps} /></Section>
            <Section title={t("host.facts")}><Facts facts={data.facts} /></Section>
          </div>
        )}
      </Answer>
    </Page>
  );
}

function Summary({ host }: { host: HostDetails }) {
  const { t, format } = useText();
  const now = useNowMs();
  const age = host.last_report_ms === null ? null : (now - host.last_report_ms) / 1000;
  const offset = host.clock_offset_ms === null ? null : host.clock_offset_ms / 1000;
  const rows: [string, string][] = [
    [t("host.last_report"), age === null ? "–" : `${format.time(host.last_report_ms)} (${t("app.ago", { duration: format.duration(age) })})`],
    [t("hosts.cpu"), format.ratio(host.cpu_ratio)],
    [t("hosts.memory"), format.ratio(host.memory_ratio)],
    [t("hosts.disk"), format.ratio(host.disk_ratio)],
    [t("hosts.load"), format.number(host.load1, 2)],
    [t("host.uptime"), format.duration(host.uptime_seconds)],
    [t("host.clock"), offset === null ? "–" : t("host.clock_value", { seconds: format.number(offset, 2) })],
    [t("host.agent"), host.agent_version ?? "–"],
    [t("host.role"), host.role ?? "–"],
    [t("host.unit"), host.unit ?? "–"],
    [t("host.site"), host.site ?? "–"],
    [t("host.alerts"), format.number(host.alerts, 0)],
  ];
  return (
    <div className="section">
      <Definitions rows={rows} />
      <Allowed to="see_all">
        <p><a href={`#/events?host=${encodeURIComponent(host.id)}`}>{t("host.events")}</a></p>
      </Allowed>
    </div>
  );
}

function Facts({ facts }: { facts: Record<string, string> }) {
  const { t } = useText();
  const rows = Object.entries(facts).toSorted(([one], [other]) => one.localeCompare(other));
  return rows.length === 0 ? <p className="dim">{t("host.facts_none")}</p> : <Definitions rows={rows} />;
}

function Definitions({ rows }: { rows: [string, string][] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
