// How many events there were over time, as bars that are read aloud as one sentence.
import { useText } from "../i18n";

export function Histogram({ bars }: { bars: { at_ms: number; count: number }[] }) {
  const { t, format } = useText();
  const most = Math.max(0, ...bars.map((bar) => bar.count));
  if (most === 0) return null;
  return (
    <>
      <div className="bars" role="img" aria-label={t("events.histogram", { most: format.number(most, 0) })}>
        {bars.map((bar) => (
          <span
            key={bar.at_ms}
            title={`${format.time(bar.at_ms)}: ${format.number(bar.count, 0)}`}
            style={{ height: `${(bar.count / most) * 100}%` }}
          />
        ))}
      </div>
      <p className="dim small" style={{ display: "flex", justifyContent: "space-between" }}>
        <span>{format.time(bars[0]?.at_ms)}</span>
        <span>{format.time(bars.at(-1)?.at_ms)}</span>
      </p>
    </>
  );
}
