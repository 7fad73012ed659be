// Who is on duty now and next, of every roster, and swaps that can be taken back.
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getOnCall, takeBackSwap, type Roster, type Swap } from "../api/on_call";
import { useText } from "../i18n";
import { Allowed } from "./Allowed";
import { Answer, Refused } from "./Answer";
import { Section, Sheet } from "./Page";

/** Stretches shown: who it is now and who comes after. */
const STRETCHES_SHOWN = 6;

export function OnCall() {
  const { t } = useText();
  const rosters = useQuery({ queryKey: ["on_call"], queryFn: getOnCall, refetchInterval: 60_000 });
  // Without rosters there is nothing to say.
  if (rosters.data?.length === 0) return null;
  return (
    <Section title={t("on_call.title")}>
      <Answer query={rosters}>{(all) => all.map((roster) => <Duties key={roster.roster} roster={roster} />)}</Answer>
    </Section>
  );
}

function Duties({ roster }: { roster: Roster }) {
  const { t, word, format } = useText();
  return (
    <>
      <h3>{roster.roster}</h3>
      <Sheet label={roster.roster}>
        <thead>
          <tr>
            <th scope="col">{t("on_call.from")}</th>
            <th scope="col">{t("on_call.until")}</th>
            <th scope="col">{t("on_call.people")}</th>
            <th scope="col">{t("on_call.by")}</th>
          </tr>
        </thead>
        <tbody>
          {roster.stretches.slice(0, STRETCHES_SHOWN).map((one, at) => (
            <tr key={one.from_ms}>
              <td className="figure">{at === 0 ? t("on_call.now") : format.time(one.from_ms)}</td>
              <td className="figure">{format.time(one.until_ms)}</td>
              <td>{at === 0 ? <strong>{one.people.join(", ")}</strong> : one.people.join(", ")}</td>
              <td>{word("duty_by", one.by)}</td>
            </tr>
          ))}
        </tbody>
      </Sheet>
      {roster.swaps.map((swap) => <SwapLine key={swap.id} swap={swap} />)}
    </>
  );
}

function SwapLine({ swap }: { swap: Swap }) {
  const { t, format } = useText();
  const client = useQueryClient();
  const ending = useMutation({
    mutationFn: () => takeBackSwap(swap.id),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["on_call"] }),
  });
  return (
    <div className="row">
      <span>
        {t("on_call.swap", { person: swap.person, from: format.time(swap.from_ms), until: format.time(swap.until_ms), by: swap.made_by })}
        {swap.note && `: ${swap.note}`}
      </span>
      <Allowed to="swap_duty">
        <Button size="xs" variant="default" loading={ending.isPending} onClick={() => ending.mutate()}>{t("on_call.take_back")}</Button>
      </Allowed>
      <Refused error={ending.error} />
    </div>
  );
}
