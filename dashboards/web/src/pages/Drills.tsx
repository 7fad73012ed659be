// Drills: the plans, starting one with the typed name of its site, and the runs so far.
import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { getDrills, minutesAddress, startDrill, type DrillPlan, type DrillRun } from "../api/drills";
import { Allowed } from "../components/Allowed";
import { Answer, Refused } from "../components/Answer";
import { Page, Section, Sheet } from "../components/Page";
import { StateMark } from "../components/StateMark";
import { useText } from "../i18n";

export default function Drills() {
  const { t } = useText();
  const drills = useQuery({ queryKey: ["drills"], queryFn: getDrills, refetchInterval: 30_000 });
  return (
    <Page title={t("drills.title")}>
      <Answer query={drills}>
        {({ plans, runs, problems }) => (
          <>
            {problems.length > 0 && (
              <Section title={t("drills.problems")}>
                <p>{t("drills.problems_what")}</p>
                <ul>
                  {problems.map((problem) => <li key={problem}><code>{problem}</code></li>)}
                </ul>
              </Section>
            )}
            <Section title={t("drills.plans")}>
              {plans.length === 0 && <p className="dim">{t("drills.plans_none")}</p>}
              {plans.map((plan) => <Plan key={plan.id} plan={plan} />)}
            </Section>
            <Section title={t("drills.runs")}>
              {runs.length === 0 ? <p className="dim">{t("drills.runs_none")}</p> : <Runs runs={runs} plans={plans} />}
            </Section>
          </>
        )}
      </Answer>
    </Page>
  );
}

function Plan({ plan }: { plan: DrillPlan }) {
  const { t, word, pick, format } = useText();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [site, setSite] = useState("");
  const starting = useMutation({
    mutationFn: () => startDrill(plan.id, site),
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: ["drills"] });
      location.hash = `#/drills/${encodeURIComponent(run.id)}`;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    starting.mutate();
  };
  return (
    <article className="alert" aria-label={pick(plan.title_vi, plan.title_en)}>
      <div className="section-head">
        <h3>{pick(plan.title_vi, plan.title_en)}</h3>
        <Allowed to="run_drills">
          <Button variant="default" aria-expanded={asking} onClick={() => setAsking(!asking)}>{t("drills.start")}</Button>
        </Allowed>
      </div>
      <p className="dim">
        {t("drills.site")}: {plan.site} · {t("drills.scope")}: {plan.scope} · {t("drills.rto")}: {format.duration(plan.objectives.rto_seconds)} ·{" "}
        {t("drills.rpo")}: {format.duration(plan.objectives.rpo_seconds)}
      </p>
      {asking && (
        <form className="row" onSubmit={submit}>
          <TextInput
            label={t("drills.confirm_label")}
            description={t("drills.confirm", { site: plan.site })}
            required
            autoComplete="off"
            value={site}
            onChange={(event) => setSite(event.currentTarget.value)}
          />
          <Button type="submit" disabled={site !== plan.site} loading={starting.isPending}>{t("drills.start")}</Button>
          <Refused error={starting.error} />
        </form>
      )}
      <details>
        <summary>{t("drills.steps")} ({plan.steps.length})</summary>
        <ol>
          {plan.steps.map((step, at) => (
            <li key={step.id}>
              {at + 1}. {pick(step.title_vi, step.title_en)} <span className="dim">({word("step_kind", step.kind)})</span>
            </li>
          ))}
        </ol>
      </details>
    </article>
  );
}

function Runs({ runs, plans }: { runs: DrillRun[]; plans: DrillPlan[] }) {
  const { t, word, pick, format } = useText();
  const title = (id: string) => {
    const plan = plans.find((one) => one.id === id);
    return plan ? pick(plan.title_vi, plan.title_en) : id;
  };
  return (
    <Sheet label={t("drills.runs")}>
      <thead>
        <tr>
          <th scope="col">{t("drills.plan")}</th>
          <th scope="col">{t("drills.started")}</th>
          <th scope="col">{t("drills.by")}</th>
          <th scope="col">{t("drills.state")}</th>
          <th scope="col">{t("drills.rto_measured")}</th>
          <th scope="col">{t("drills.rpo_measured")}</th>
          <th scope="col">{t("drills.verdict")}</th>
          <th scope="col">{t("drill.minutes")}</th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr key={run.id}>
            <th scope="row"><a href={`#/drills/${encodeURIComponent(run.id)}`}>{title(run.plan)}</a></th>
            <td className="figure">{format.time(run.started_ms)}</td>
            <td>{run.started_by}</td>
            <td><StateMark group="drill_state" state={run.state} /></td>
            <td className="figure">{format.duration(run.rto_seconds)}</td>
            <td className="figure">{format.duration(run.rpo_seconds)}</td>
            <td>{run.verdict ? word("verdict", run.verdict) : "–"}</td>
            <td>{run.state !== "running" && <a href={minutesAddress(run.id)}>{t("drill.minutes")}</a>}</td>
          </tr>
        ))}
      </tbody>
    </Sheet>
  );
}
