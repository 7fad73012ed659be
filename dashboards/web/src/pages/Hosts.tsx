// All hosts in one table: sortable, searched without diacritics, live.
import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { getHosts, type Host } from "../api/hosts";
import { AddHost } from "../components/AddHost";
import { Allowed } from "../components/Allowed";
import { Answer } from "../components/Answer";
import { useStaleClass } from "../components/Freshness";
import { Meter } from "../components/Meter";
import { Page, Sheet } from "../components/Page";
import { StateMark } from "../components/StateMark";
import { useText, type Key } from "../i18n";
import { hostAddress } from "../lib/address";
import { useNowMs } from "../lib/live_state";
import { matches } from "../lib/search";
import { sorted, type Sort } from "../lib/sort";

type Column = keyof Pick<Host, "id" | "state" | "cpu_ratio" | "memory_ratio" | "disk_ratio" | "load1" | "last_report_ms" | "alerts">;

const COLUMNS: [Column, Key][] = [
  ["id", "hosts.host"],
  ["state", "hosts.state"],
  ["cpu_ratio", "hosts.cpu"],
  ["memory_ratio", "hosts.memory"],
  ["disk_ratio", "hosts.disk"],
  ["load1", "hosts.load"],
  ["last_report_ms", "hosts.last_report"],
  ["alerts", "hosts.alerts"],
];

export default function Hosts() {
  const { t } = useText();
  const hosts = useQuery({ queryKey: ["hosts"], queryFn: getHosts, refetchInterval: 30_000 });
  const [wanted, setWanted] = useState("");
  const [adding, setAdding] = useState(false);
  return (
    <Page
      title={t("hosts.title")}
      aside={<Allowed to="administer"><Button onClick={() => setAdding(true)}>{t("hosts.add")}</Button></Allowed>}
    >
      <AddHost opened={adding} onClose={() => setAdding(false)} />
      <TextInput
        className="search"
        type="search"
        label={t("hosts.search")}
        description={t("hosts.search_hint")}
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
      />
      <Answer query={hosts}>
        {(all) => <HostTable all={all} wanted={wanted} />}
      </Answer>
    </Page>
  );
}

function HostTable({ all, wanted }: { all: Host[]; wanted: string }) {
  const { t, word } = useText();
  const [sort, setSort] = useState<Sort<Column>>({ by: "id", down: false });
  const stale = useStaleClass();
  const found = all.filter((host) =>
    matches(wanted, host.id, host.site, host.unit, host.role, word("host_state", host.state)),
  );
  if (all.length === 0) return <p className="dim">{t("hosts.none")}</p>;
  return (
    <div className={stale}>
      <p className="dim" role="status">
        {found.length === 0 ? t("hosts.none_match") : t("hosts.count", { shown: found.length, total: all.length })}
      </p>
      <Sheet label={t("hosts.title")}>
        <thead>
          <tr>
            {COLUMNS.map(([column, name]) => (
              <th key={column} scope="col" aria-sort={sort.by === column ? (sort.down ? "descending" : "ascending") : undefined}>
                <button
                  type="button"
                  className="sorter"
                  title={t("hosts.sort", { column: t(name) })}
                  onClick={() => setSort({ by: column, down: sort.by === column ? !sort.down : column !== "id" })}
                >
                  {t(name)}
                  <span aria-hidden="true">{sort.by === column ? (sort.down ? " ↓" : " ↑") : ""}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(found, sort).map((host) => (
            <HostRow key={host.id} host={host} />
          ))}
        </tbody>
      </Sheet>
    </div>
  );
}

function HostRow({ host }: { host: Host }) {
  const { t, format } = useText();
  const now = useNowMs();
  const place = [host.role, host.unit, host.site].filter(Boolean).join(" · ");
  const age = host.last_report_ms === null ? null : (now - host.last_report_ms) / 1000;
  const old = host.state === "up" ? "" : "is-stale";
  return (
    <tr>
      <th scope="row">
        <a href={hostAddress(host.id)}>{host.id}</a>
        {place && <div className="dim small">{place}</div>}
      </th>
      <td><StateMark group="host_state" state={host.state} /></td>
      <td className={old}><Meter ratio={host.cpu_ratio} /></td>
      <td className={old}><Meter ratio={host.memory_ratio} /></td>
      <td className={old}><Meter ratio={host.disk_ratio} /></td>
      <td className={`figure ${old}`}>{format.number(host.load1, 2)}</td>
      <td className="figure">{age === null ? "–" : t("app.ago", { duration: format.duration(age) })}</td>
      <td className="figure">{host.alerts > 0 ? <a href="#/alerts">{format.number(host.alerts, 0)}</a> : "0"}</td>
    </tr>
  );
}
