// The charts of one host over a range of time; they move on with every report of the host.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { queryRange } from "../api/query_range";
import { useText } from "../i18n";
import { align, chartPlans, RANGES, type ChartPlan, type RangeName } from "../lib/charts";
import { collectorNowMs, useNowMs } from "../lib/live_state";
import { Answer } from "./Answer";
import { Chart } from "./Chart";
import { Section } from "./Page";

export function HostCharts({ host, lastReportMs }: { host: string; lastReportMs: number | null }) {
  const { t } = useText();
  const [range, setRange] = useState<RangeName>("1h");
  const { step } = RANGES[range];
  // Asked again whenever a report has come or the time has moved on by a step.
  const pulse = `${Math.floor(useNowMs() / 1000 / step)} ${range === "1h" ? lastReportMs : ""}`;
  return (
    <Section
      title={t("host.charts")}
      aside={
        <SegmentedControl
          aria-label={t("host.range")}
          value={range}
          onChange={(value) => setRange(value as RangeName)}
          data={Object.keys(RANGES).map((name) => ({ value: name, label: t(`range.${name as RangeName}`) }))}
        />
      }
    >
      <div className="charts">
        {chartPlans(host, step).map((plan) => (
          <LiveChart key={plan.title} plan={plan} range={range} pulse={pulse} />
        ))}
      </div>
    </Section>
  );
}

function LiveChart({ plan, range, pulse }: { plan: ChartPlan; range: RangeName; pulse: string }) {
  const { t } = useText();
  const { seconds, step } = RANGES[range];
  const query = useQuery({
    queryKey: ["range", range, plan.queries.map(({ expression }) => expression), pulse],
    queryFn: async () => {
      // At the step, so that old points stay where they are when the chart moves on.
      const end = Math.floor(collectorNowMs() / 1000 / step) * step;
      const start = end - seconds;
      const answers = await Promise.all(plan.queries.map(({ expression }) => queryRange(expression, start, end, step)));
      return { start, end, answers };
    },
    placeholderData: keepPreviousData,
    gcTime: 30_000,
  });
  return (
    <Answer query={query}>
      {({ start, end, answers }) => {
        const named = answers.flatMap((answer, at) =>
          answer.map((series) => ({ name: nameOf(plan, at, series.metric), series })),
        );
        const { times, lines } = align(named, start, end, step);
        return <Chart title={t(plan.title)} unit={plan.unit} max={plan.max} times={times} lines={lines} withDay={seconds > 86_400} />;
      }}
    </Answer>
  );

  function nameOf({ queries }: ChartPlan, at: number, metric: Record<string, string>): string {
    const { legend, label } = queries[at] ?? {};
    if (legend) return t(legend, { device: metric.device ?? "" });
    return metric[label ?? ""] ?? "";
  }
}
