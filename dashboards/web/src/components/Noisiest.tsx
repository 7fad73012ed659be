// What fired most in a time, and how long people took: by rule or by service.
import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { getSummary, type Span } from "../api/history";
import { useText } from "../i18n";
import { Answer } from "./Answer";
import { Section, Sheet } from "./Page";

/** Lines shown: what makes most of the noise. */
const SHOWN = 20;

export function Noisiest({ span, onPick }: { span: Span; onPick: (matcher: string) => void }) {
  const { t, word, format } = useText();
  const [by, setBy] = useState("alertname");
  const summary = useQuery({ queryKey: ["history_summary", span, by], queryFn: () => getSummary(span, by) });
  const took = (ms: number | null) => (ms === null ? "–" : format.duration(ms / 1000));
  return (
    <Section title={t("history.noisiest")}>
      <NativeSelect
        className="search"
        label={t("history.by")}
        value={by}
        data={["alertname", "service", "host", "severity"].map((value) => ({ value, label: word("history_by", value) }))}
        onChange={(event) => setBy(event.currentTarget.value)}
      />
      <Answer query={summary}>
        {({ rows, left_out }) => rows.length === 0 ? <p className="dim">{t("history.none")}</p> : (
          <>
            <Sheet label={t("history.noisiest")}>
              <thead>
                <tr>
                  <th scope="col">{word("history_by", by)}</th>
                  <th scope="col">{t("history.fired")}</th>
                  <th scope="col">{t("history.told")}</th>
                  <th scope="col">{t("history.fleeting")}</th>
                  <th scope="col">{t("history.acknowledged")}</th>
                  <th scope="col">{t("history.mtta")}</th>
                  <th scope="col">{t("history.mttr")}</th>
                </tr>
              </thead>
              <tbody>
                {rows.slice(0, SHOWN).map((row) => (
                  <tr key={row.value}>
                    <td>
                      <button type="button" className="plain" onClick={() => onPick(`${by}=${JSON.stringify(row.value)}`)}>
                        {row.value || t("history.without")}
                      </button>
                    </td>
                    <td className="figure">{format.number(row.fired, 0)}</td>
                    <td className="figure">{format.number(row.told, 0)}</td>
                    <td className="figure">{format.number(row.fleeting, 0)}</td>
                    <td className="figure">{format.number(row.acknowledged, 0)}</td>
                    <td className="figure">{took(row.mean_to_acknowledge_ms)}</td>
                    <td className="figure">{took(row.mean_to_resolve_ms)}</td>
                  </tr>
                ))}
              </tbody>
            </Sheet>
            {rows.length + left_out > SHOWN && <p className="dim">{t("history.left_out", { count: rows.length + left_out - SHOWN })}</p>}
          </>
        )}
      </Answer>
    </Section>
  );
}
