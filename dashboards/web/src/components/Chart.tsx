// One chart: lines over time, a legend with the newest values, and the same figures as a table.
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useText } from "../i18n";
import { newest, type Line, type Unit } from "../lib/charts";
import { formatShortTime } from "../lib/format";
import { Sheet } from "./Page";

/** Colours that also differ for the colour-blind (after Okabe and Ito), on light and on dark ground; dashes tell them apart as well. */
const STROKES = {
  light: ["#0072b2", "#a34700", "#006b4f", "#8f3f71", "#5c4b00", "#333333"],
  dark: ["#56b4e9", "#ff9d5c", "#2fc79c", "#e59cc6", "#f0e442", "#dddddd"],
};
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const HEIGHT = 190;
const ROWS_SHOWN = 20;

const dash = (at: number) => DASHES[Math.floor(at / 6 + at) % DASHES.length] ?? [];

type Props = { title: string; unit: Unit; max?: number; times: number[]; lines: Line[]; withDay: boolean };

export function Chart({ title, unit, max, times, lines, withDay }: Props) {
  const { t, format } = useText();
  const scheme = useComputedColorScheme("light");
  const write = useWriter(unit);
  const strokes = STROKES[scheme];
  const values = lines.map((line) => `${line.name} ${write(newest(line))}`).join(", ");
  const rows = times.map((time, at) => ({ time, at })).slice(-ROWS_SHOWN).toReversed();
  return (
    <figure className="chart" aria-label={`${title}. ${t("chart.newest", { values: values || t("chart.no_data") })}`}>
      <h3>{title}</h3>
      {lines.length === 0 ? (
        <p className="dim chart-canvas">{t("chart.no_data")}</p>
      ) : (
        <Canvas {...{ unit, max, times, lines, withDay, strokes }} ink={scheme === "dark" ? "#b0b6be" : "#565b62"} />
      )}
      <ul className="legend">
        {lines.map((line, at) => (
          <li key={line.name}>
            <svg viewBox="0 0 32 12" aria-hidden="true">
              <path d="M0 6H32" stroke={strokes[at % strokes.length]} strokeWidth="3" strokeDasharray={dash(at).join(" ")} />
            </svg>
            {line.name} <strong className="figure">{write(newest(line))}</strong>
          </li>
        ))}
      </ul>
      <details>
        <summary>{t("chart.table")}</summary>
        <Sheet label={`${title} – ${t("chart.table")}`}>
          <thead>
            <tr>
              <th scope="col">{t("chart.time")}</th>
              {lines.map((line) => <th key={line.name} scope="col">{line.name}</th>)}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ time, at }) => (
              <tr key={time}>
                <th scope="row">{format.time(time * 1000)}</th>
                {lines.map((line) => <td key={line.name} className="figure">{write(line.values[at] ?? null)}</td>)}
              </tr>
            ))}
          </tbody>
        </Sheet>
      </details>
    </figure>
  );
}

/** Writes a value with its unit. */
function useWriter(unit: Unit): (value: number | null) => string {
  const { t, format } = useText();
  return (value) => {
    if (unit === "ratio") return format.ratio(value);
    if (unit === "number" || value === null) return format.number(value, 2);
    const bytes = format.bytes(value);
    return unit === "bytes" ? bytes : t("chart.per_second", { bytes });
  };
}

type CanvasProps = Omit<Props, "title"> & { strokes: string[]; ink: string };

function Canvas({ unit, max, times, lines, withDay, strokes, ink }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const write = useRef(useWriter(unit));
  write.current = useWriter(unit);
  const names = lines.map((line) => line.name).join("\n");

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const axis = { stroke: ink, grid: { stroke: `${ink}33` }, ticks: { stroke: `${ink}55` } };
    const made = new uPlot(
      {
        width: element.clientWidth || 400,
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (_, __, most) => [0, max ?? (most > 0 ? most * 1.1 : 1)] } },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((tick) => formatShortTime(tick * 1000, withDay)), space: withDay ? 90 : 55 },
          { ...axis, size: 84, values: (_, ticks) => ticks.map((tick) => write.current(tick)) },
        ],
        series: [
          {},
          ...names.split("\n").map((label, at) => ({
            label,
            stroke: strokes[at % strokes.length] ?? ink,
            width: 1.75,
            dash: dash(at),
            points: { show: false },
          })),
        ],
      },
      [[]],
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, strokes, ink, max, withDay]);

  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)]);
  }, [times, lines, names, strokes, ink, max, withDay]);

  return <div ref={box} className="chart-canvas" aria-hidden="true" />;
}
