// A share as a figure with a bar behind it; a dash where nothing was measured.
import { useText } from "../i18n";

/** From here a share is drawn as worth a look: matches the shipped rules' first threshold. */
const FULL_RATIO = 0.9;

export function Meter({ ratio }: { ratio: number | null | undefined }) {
  const { format } = useText();
  if (ratio === null || ratio === undefined) return <span className="figure">–</span>;
  const share = Math.min(1, Math.max(0, ratio));
  return (
    <span className="meter">
      <span className="meter-bar" aria-hidden="true">
        <span className={share >= FULL_RATIO ? "meter-fill is-full" : "meter-fill"} style={{ width: `${share * 100}%` }} />
      </span>
      <span className="figure">{format.ratio(ratio)}</span>
    </span>
  );
}
