// A state as shape, colour and words: readable without colours. Leaves to others: which state has which tone.
import type { ReactNode } from "react";
import { useText } from "../i18n";
import { severityName, severityTone, stateTone, type Tone } from "../lib/severity";

/** A tick, an i, a triangle, a crossed octagon and an empty dashed circle. */
const SHAPES: Record<Tone, ReactNode> = {
  good: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1ZM4.5 8.2 7 10.7l4.5-5" />,
  info: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 6v4.5M8 4v.5" />,
  caution: <path d="M8 1.5 15 14.5H1Zm0 4.5v4m0 2v.4" />,
  bad: <path d="M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2Zm0 4.2 5.6 5.6m0-5.6-5.6 5.6" />,
  none: <path d="M8 1.2a6.8 6.8 0 1 0 0 13.6A6.8 6.8 0 0 0 8 1.2" strokeDasharray="2.6 2.2" />,
};

export function ToneIcon({ tone }: { tone: Tone }) {
  return (
    <svg className="tone-icon" viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

export function Mark({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`mark tone-${tone}`}>
      <ToneIcon tone={tone} />
      <span>{children}</span>
    </span>
  );
}

/** `group` names the words: `host_state`, `backup_state` … */
export function StateMark({ group, state }: { group: string; state: string }) {
  const { word } = useText();
  return <Mark tone={stateTone(state)}>{word(group, state)}</Mark>;
}

export function SeverityMark({ severity }: { severity: string }) {
  const { word } = useText();
  return <Mark tone={severityTone(severity)}>{word("severity", severityName(severity))}</Mark>;
}
