// One step of a drill: what to do, how long it has taken, and its outcome. Probes and queries decide for themselves.
import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import type { DrillStep as Step } from "../api/drills";
import { useText } from "../i18n";
import { Allowed } from "./Allowed";
import { useNowMs } from "../lib/live_state";
import { StateMark } from "./StateMark";

type Props = {
  step: Step;
  number: number;
  busy: boolean;
  onFinish: (outcome: "passed" | "failed", note: string) => void;
};

export function DrillStep({ step, number, busy, onFinish }: Props) {
  const { t, word, pick, format } = useText();
  const now = useNowMs();
  const [note, setNote] = useState("");
  const running = step.state === "running";
  const seconds = step.started_ms === null ? null : ((step.finished_ms ?? now) - step.started_ms) / 1000;
  return (
    <li className={running ? "step is-now" : "step"} aria-current={running ? "step" : undefined}>
      <strong>{number}.</strong>
      <div>
        <strong>{pick(step.title_vi, step.title_en)}</strong> <span className="dim small">({word("step_kind", step.kind)})</span>
        {running && <p className="steps-text">{pick(step.instruction_vi, step.instruction_en)}</p>}
        {step.detail && <p className="dim">{step.detail}</p>}
        {running && step.kind !== "manual" && <p className="dim">{t("drill.automatic")}</p>}
        {running && step.kind === "manual" && (
          <Allowed to="run_drills">
            <div className="row">
              <TextInput label={t("drill.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
              <Button loading={busy} onClick={() => onFinish("passed", note.trim())}>{t("drill.pass")}</Button>
              <Button variant="default" disabled={busy} onClick={() => onFinish("failed", note.trim())}>{t("drill.fail")}</Button>
            </div>
          </Allowed>
        )}
      </div>
      <div>
        <StateMark group="step_state" state={step.state} />
        <div className="figure dim">{format.duration(seconds)}</div>
      </div>
    </li>
  );
}
