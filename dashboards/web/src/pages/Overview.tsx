// The overview: three numbers, the services, the most urgent alerts, and whether the watching itself works.
import { useQuery } from "@tanstack/react-query";
import { getAlerts, isLoud } from "../api/alerts";
import { getOverview, type Overview as OverviewData, type Service } from "../api/overview";
import { getStatus } from "../api/status";
import { AlertLine } from "../components/AlertLine";
import { Answer } from "../components/Answer";
import { BigNumbers } from "../components/BigNumbers";
import { useStaleClass } from "../components/Freshness";
import { Page, Section } from "../components/Page";
import { Mark, SeverityMark, StateMark } from "../components/StateMark";
import { useText } from "../i18n";
import { byUrgency, stateTone } from "../lib/severity";

const ALERTS_SHOWN = 8;
/** Should the stream of news be lost, ask anyway. */
const ASK_EVERY_MS = 15_000;

export default function Overview() {
  const { t } = useText();
  const overview = useQuery({ queryKey: ["overview"], queryFn: getOverview, refetchInterval: ASK_EVERY_MS });
  const stale = useStaleClass();
  const province = overview.data?.province;
  return (
    <Page title={province ? `${t("overview.title")} – ${province}` : t("overview.title")}>
      <div className={stale}>
        <Answer query={overview}>
          {(data) => (
            <>
              <BigNumbers data={data} />
              <Services services={data.services} />
            </>
          )}
        </Answer>
        <UrgentAlerts />
        <Health overview={overview.data} />
      </div>
    </Page>
  );
}

function Services({ services }: { services: Service[] }) {
  const { t } = useText();
  return (
    <Section title={t("overview.services")}>
      {services.length === 0 ? (
        <p className="dim">{t("overview.services_none")}</p>
      ) : (
        <ul className="tiles">
          {services.map((service) => (
            <li key={service.id} className={`tile edge-${stateTone(service.state)}`}>
              <h3>{service.name}</h3>
              <StateMark group="state" state={service.state} />
              {service.reasons.map((reason) => (
                <p key={reason} className="dim">{reason}</p>
              ))}
              {service.alerts > 0 && (
                <a href="#/alerts">{t("overview.alerts_of_service", { count: service.alerts })}</a>
              )}
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function UrgentAlerts() {
  const { t } = useText();
  const alerts = useQuery({ queryKey: ["alerts"], queryFn: getAlerts, refetchInterval: ASK_EVERY_MS });
  return (
    <Section title={t("overview.newest_alerts")} aside={<a href="#/alerts">{t("overview.all_alerts")}</a>}>
      <Answer query={alerts}>
        {(all) => {
          const firing = all.items.filter(isLoud).toSorted(byUrgency);
          if (firing.length === 0) return <p className="dim">{t("alerts.none_firing")}</p>;
          return (
            <ul className="lines">
              {firing.slice(0, ALERTS_SHOWN).map((alert) => (
                <AlertLine key={alert.fingerprint} alert={alert} />
              ))}
            </ul>
          );
        }}
      </Answer>
    </Section>
  );
}

function Health({ overview }: { overview: OverviewData | undefined }) {
  const { t, pick, format } = useText();
  const status = useQuery({ queryKey: ["status"], queryFn: getStatus, refetchInterval: ASK_EVERY_MS });
  // The list of problems says these too; said here only while it is not there or is silent.
  const quiet = overview !== undefined && !status.data?.problems.length;
  return (
    <Section title={t("overview.health")}>
      {overview && !overview.collector.ready && overview.collector.reasons.map((reason) => (
        <p key={reason}><Mark tone="bad">{reason}</Mark></p>
      ))}
      {quiet && !overview.notifications.configured && (
        <p><Mark tone="caution">{t("overview.unconfigured")}</Mark></p>
      )}
      {quiet && overview.notifications.failing > 0 && (
        <p><Mark tone="bad">{t("overview.notifications_failing", { count: overview.notifications.failing })}</Mark></p>
      )}
      {quiet && overview.notifications.dead > 0 && (
        <p><Mark tone="bad">{t("overview.notifications_dead", { count: overview.notifications.dead })}</Mark></p>
      )}
      {overview && overview.notifications.outbox > 0 && (
        <p>{t("overview.outbox", { count: overview.notifications.outbox })}</p>
      )}
      <Answer query={status}>
        {({ problems, ready }) =>
          problems.length === 0 && ready && overview?.collector.ready ? (
            <p><Mark tone="good">{t("overview.healthy")}</Mark></p>
          ) : (
            <ul className="lines">
              {problems.map((problem) => (
                <li key={problem.what_en} className="line">
                  <SeverityMark severity={problem.severity} />
                  <div>
                    <strong>{pick(problem.what_vi, problem.what_en)}</strong>
                    <p>{pick(problem.what_to_do_vi, problem.what_to_do_en)}</p>
                    {problem.link && <a href={problem.link}>{t("app.details")}</a>}
                  </div>
                </li>
              ))}
            </ul>
          )
        }
      </Answer>
      {overview && (
        <p className="dim">
          {t("overview.free", { bytes: format.bytes(overview.collector.free_bytes) })} ·{" "}
          {t("app.version", { version: overview.collector.version })}
        </p>
      )}
    </Section>
  );
}
