// Who is on duty now and next, of every roster; swaps are made here and taken back.
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { addSwap, getOnCall, takeBackSwap, type Roster, type Stretch, type Swap } from "../api/on_call";
import { useText } from "../i18n";
import { fromInput, toInput } from "../lib/format";
import { Allowed } from "./Allowed";
import { Answer, Refused } from "./Answer";
import { Section, Sheet } from "./Page";
import { WhenInput } from "./WhenInput";

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
  const [swapping, setSwapping] = useState<Stretch | null>(null);
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
            <Allowed to="swap_duty"><th scope="col">{t("users.actions")}</th></Allowed>
          </tr>
        </thead>
        <tbody>
          {roster.stretches.slice(0, STRETCHES_SHOWN).map((one, at) => (
            <tr key={one.from_ms}>
              <td className="figure">{at === 0 ? t("on_call.now") : format.time(one.from_ms)}</td>
              <td className="figure">{format.time(one.until_ms)}</td>
              <td>{at === 0 ? <strong>{one.people.join(", ")}</strong> : one.people.join(", ")}</td>
              <td>{word("duty_by", one.by)}</td>
              <Allowed to="swap_duty">
                <td>
                  <Button size="xs" variant="default" aria-label={t("on_call.swap_of", { people: one.people.join(", "), from: format.time(one.from_ms) })} onClick={() => setSwapping(one)}>
                    {t("on_call.swap_it")}
                  </Button>
                </td>
              </Allowed>
            </tr>
          ))}
        </tbody>
      </Sheet>
      {swapping && <SwapForm key={swapping.from_ms} roster={roster} stretch={swapping} onDone={() => setSwapping(null)} />}
      {roster.swaps.map((swap) => <SwapLine key={swap.id} swap={swap} />)}
    </>
  );
}

/** Somebody stands in for a turn or for a part of it. */
function SwapForm({ roster, stretch, onDone }: { roster: Roster; stretch: Stretch; onDone: () => void }) {
  const { t } = useText();
  const client = useQueryClient();
  const others = roster.people.filter((person) => !stretch.people.includes(person));
  const [person, setPerson] = useState(others[0] ?? "");
  const [from, setFrom] = useState(toInput(stretch.from_ms));
  const [until, setUntil] = useState(toInput(stretch.until_ms));
  const [note, setNote] = useState("");
  const swapping = useMutation({
    mutationFn: () => addSwap({ roster: roster.roster, person, from_ms: fromInput(from), until_ms: fromInput(until), note: note.trim() }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["on_call"] });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    swapping.mutate();
  };
  return (
    <form className="row" onSubmit={submit} aria-label={t("on_call.swap_it")}>
      <NativeSelect label={t("on_call.stand_in")} value={person} onChange={(event) => setPerson(event.currentTarget.value)} data={others} />
      <WhenInput label={t("when.from")} value={from} onChange={setFrom} />
      <WhenInput label={t("when.until")} value={until} onChange={setUntil} />
      <TextInput label={t("alerts.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
      <Button type="submit" loading={swapping.isPending}>{t("on_call.swap_it")}</Button>
      <Button variant="default" onClick={onDone}>{t("app.cancel")}</Button>
      <Refused error={swapping.error} />
    </form>
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
