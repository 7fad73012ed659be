// Alerts: what is wrong now, what may become so, what is over; silences and what was sent to people.
import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { getAlerts, type Alert, type AlertState } from "../api/alerts";
import { AlertCard } from "../components/AlertCard";
import { Answer } from "../components/Answer";
import { Channels } from "../components/Channels";
import { DeadLetters } from "../components/DeadLetters";
import { useStaleClass } from "../components/Freshness";
import { Notifications } from "../components/Notifications";
import { OnCall } from "../components/OnCall";
import { Page, Section } from "../components/Page";
import { Silences } from "../components/Silences";
import { useText, type Key } from "../i18n";
import { useHashQuery } from "../lib/address";
import { useMay } from "../lib/permissions";
import { matches } from "../lib/search";
import { byUrgency } from "../lib/severity";

const GROUPS: [AlertState, Key][] = [
  ["firing", "alerts.firing"],
  ["pending", "alerts.pending"],
  ["resolved", "alerts.resolved"],
];

export default function Alerts() {
  const { t } = useText();
  const alerts = useQuery({ queryKey: ["alerts"], queryFn: getAlerts, refetchInterval: 15_000 });
  // A message to a person links to its alert.
  const [wanted, setWanted] = useState(useHashQuery().get("wanted") ?? "");
  const stale = useStaleClass();
  const may = useMay();
  return (
    <Page title={t("alerts.title")} aside={<a href="#/alerts/history">{t("history.title")}</a>}>
      <TextInput
        className="search"
        type="search"
        label={t("alerts.search")}
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
      />
      <Answer query={alerts}>
        {(all) => (
          <div className={stale}>
            {GROUPS.map(([state, title]) => (
              <Group key={state} title={t(title)} state={state} alerts={all.items.filter((alert) => isWanted(alert, state, wanted))} leftOut={state === "resolved" ? all.left_out : 0} />
            ))}
          </div>
        )}
      </Answer>
      {may("see_all") && <OnCall />}
      <Silences />
      {may("see_all") && (
        <>
          <Channels />
          <DeadLetters />
          <Notifications />
        </>
      )}
    </Page>
  );
}

function isWanted(alert: Alert, state: AlertState, wanted: string) {
  if (alert.state !== state) return false;
  return matches(wanted, alert.fingerprint, alert.name, ...Object.values(alert.labels), ...Object.values(alert.annotations));
}

/** Cards that a modest machine draws at once; in a storm there are ten thousand alerts, and the search finds each. */
const SHOWN_AT_ONCE = 100;

type GroupProps = { title: string; state: AlertState; alerts: Alert[]; /** More than are listed. */ leftOut: number };

function Group({ title, state, alerts, leftOut }: GroupProps) {
  const { t } = useText();
  const [max, setMax] = useState(SHOWN_AT_ONCE);
  const ordered = state === "resolved" ? alerts.toSorted((one, other) => (other.ends_at_ms ?? 0) - (one.ends_at_ms ?? 0)) : alerts.toSorted(byUrgency);
  return (
    <Section title={`${title} (${alerts.length})`}>
      {alerts.length === 0 && <p className="dim">{t(state === "firing" ? "alerts.none_firing" : "alerts.none")}</p>}
      {ordered.slice(0, max).map((alert) => <AlertCard key={alert.fingerprint} alert={alert} />)}
      {ordered.length > max && (
        <Button variant="default" onClick={() => setMax(max + SHOWN_AT_ONCE)}>
          {t("alerts.more", { count: ordered.length - max })}
        </Button>
      )}
      {leftOut > 0 && <p>{t("alerts.left_out", { count: leftOut })} <a href="#/alerts/history">{t("history.title")}</a></p>}
    </Section>
  );
}
