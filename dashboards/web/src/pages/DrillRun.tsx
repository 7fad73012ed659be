// One drill as it goes: its clock, its steps, what the person at it has to do now, and the way out.
import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { abortDrill, finishStep, getDrillRun, getDrills, minutesAddress, type DrillPlan, type DrillRun as Run } from "../api/drills";
import { Allowed } from "../components/Allowed";
import { Answer, Refused } from "../components/Answer";
import { DrillStep } from "../components/DrillStep";
import { Page, Section } from "../components/Page";
import { StateMark } from "../components/StateMark";
import { useText } from "../i18n";
import { useNowMs } from "../lib/live_state";

export default function DrillRun({ id }: { id: string }) {
  const { t, pick } = useText();
  const run = useQuery({
    queryKey: ["drill-run", id],
    queryFn: () => getDrillRun(id),
    refetchInterval: ({ state }) => (state.data?.state === "running" ? 5_000 : false),
  });
  const drills = useQuery({ queryKey: ["drills"], queryFn: getDrills });
  const plan = drills.data?.plans.find((one) => one.id === run.data?.plan);
  const title = plan ? pick(plan.title_vi, plan.title_en) : (run.data?.plan ?? t("drills.title"));
  return (
    <Page title={title} aside={run.data && <StateMark group="drill_state" state={run.data.state} />}>
      <Answer query={run}>{(data) => <Progress run={data} objectives={plan?.objectives ?? null} />}</Answer>
    </Page>
  );
}

function Progress({ run, objectives }: { run: Run; objectives: DrillPlan["objectives"] | null }) {
  const { t, word, format } = useText();
  const client = useQueryClient();
  const now = useNowMs();
  const again = () => {
    void client.invalidateQueries({ queryKey: ["drill-run", run.id] });
    void client.invalidateQueries({ queryKey: ["drills"] });
  };
  const finishing = useMutation({
    mutationFn: (step: { id: string; outcome: "passed" | "failed"; note: string }) =>
      finishStep(run.id, step.id, step.outcome, step.note),
    onSuccess: again,
  });
  const elapsed = ((run.finished_ms ?? now) - run.started_ms) / 1000;
  return (
    <>
      <dl className="facts section">
        <div><dt>{t("drill.elapsed")}</dt><dd><span className="timer" role="timer">{format.duration(elapsed)}</span></dd></div>
        <div><dt>{t("drills.rto")}</dt><dd>{format.duration(objectives?.rto_seconds ?? null)}</dd></div>
        <div><dt>{t("drills.rto_measured")}</dt><dd>{format.duration(run.rto_seconds)}</dd></div>
        <div><dt>{t("drills.rpo")}</dt><dd>{format.duration(objectives?.rpo_seconds ?? null)}</dd></div>
        <div><dt>{t("drills.rpo_measured")}</dt><dd>{format.duration(run.rpo_seconds)}</dd></div>
        <div><dt>{t("drills.verdict")}</dt><dd>{run.verdict ? word("verdict", run.verdict) : "–"}</dd></div>
        <div><dt>{t("drills.started")}</dt><dd>{format.time(run.started_ms)} – {run.started_by}</dd></div>
        {run.state !== "running" && <div><dt>{t("drill.minutes")}</dt><dd><a href={minutesAddress(run.id)}>{t("drill.minutes")}</a></dd></div>}
      </dl>
      <Section title={t("drill.steps")}>
        <Refused error={finishing.error} />
        <ol>
          {run.steps.map((step, at) => (
            <DrillStep
              key={step.id}
              step={step}
              number={at + 1}
              busy={finishing.isPending}
              onFinish={(outcome, note) => finishing.mutate({ id: step.id, outcome, note })}
            />
          ))}
        </ol>
      </Section>
      {run.state === "running" && <Allowed to="run_drills"><Abort id={run.id} onDone={again} /></Allowed>}
    </>
  );
}

function Abort({ id, onDone }: { id: string; onDone: () => void }) {
  const { t } = useText();
  const [reason, setReason] = useState("");
  const aborting = useMutation({ mutationFn: () => abortDrill(id, reason.trim()), onSuccess: onDone });
  return (
    <Section title={t("drill.abort")}>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          aborting.mutate();
        }}
      >
        <TextInput label={t("drill.abort_reason")} required value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        <Button type="submit" color="red.9" loading={aborting.isPending}>{t("drill.abort")}</Button>
        <Refused error={aborting.error} />
      </form>
    </Section>
  );
}
