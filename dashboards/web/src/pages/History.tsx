// The history of alerts, kept 13 months: the week's budget, what is noisiest, and each time that an alert fired with all that happened then.
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { getLives, type Life, type Span } from "../api/history";
import { AlertBudget } from "../components/AlertBudget";
import { Allowed } from "../components/Allowed";
import { ErrorText, Loading } from "../components/Answer";
import { Noisiest } from "../components/Noisiest";
import { Page, Section, Sheet } from "../components/Page";
import { Mark, SeverityMark } from "../components/StateMark";
import { LifeTimeline } from "../components/Timeline";
import { useText } from "../i18n";
import { useHashQuery } from "../lib/address";
import { collectorNowMs } from "../lib/live_state";

const DAYS = [1, 7, 30, 90, 400];

/** From the beginning of an hour, so that a page that is drawn anew does not ask anew. */
const sinceDays = (days: number) => Math.floor(collectorNowMs() / 3_600_000) * 3_600_000 - days * 86_400_000;

export default function History() {
  const { t } = useText();
  const [days, setDays] = useState(30);
  const asked = useHashQuery().get("matchers") ?? "";
  const [span, setSpan] = useState<Span>(() => ({ from_ms: sinceDays(30), matchers: asked }));
  const [text, setText] = useState(asked);
  const search = (matchers: string, wantedDays = days) => {
    setText(matchers);
    setDays(wantedDays);
    setSpan({ from_ms: sinceDays(wantedDays), matchers: matchers.trim() });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    search(text);
  };
  return (
    <Page title={t("history.title")} aside={<a href="#/alerts">{t("history.to_alerts")}</a>}>
      <Allowed to="see_all"><AlertBudget /></Allowed>
      <form role="search" className="row" style={{ marginTop: "1rem" }} onSubmit={submit}>
        <TextInput
          type="search"
          label={t("history.matchers")}
          placeholder='host="dc1-srv01", severity=~"critical|high"'
          style={{ flex: "1 1 18rem" }}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <NativeSelect
          label={t("history.days")}
          value={days}
          data={DAYS.map((value) => ({ value: String(value), label: t("history.days_value", { count: value }) }))}
          onChange={(event) => search(text, Number(event.currentTarget.value))}
        />
        <Button type="submit">{t("history.search")}</Button>
      </form>
      <Noisiest span={span} onPick={search} />
      <Lives span={span} />
    </Page>
  );
}

function Lives({ span }: { span: Span }) {
  const { t } = useText();
  const pages = useInfiniteQuery({
    queryKey: ["lives", span],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => getLives(span, pageParam),
    getNextPageParam: (page) => page.older_than ?? undefined,
  });
  const lives = pages.data?.pages.flatMap((page) => page.lives) ?? [];
  return (
    <Section title={t("history.lives")}>
      {pages.isError && <p role="alert"><Mark tone="bad"><ErrorText error={pages.error} template="app.cannot_load" /></Mark></p>}
      {pages.isPending && <Loading />}
      {pages.data && lives.length === 0 && <p className="dim">{t("history.none")}</p>}
      {lives.length > 0 && (
        <>
          <p className="dim" role="status">{t(pages.hasNextPage ? "history.shown_more" : "history.shown", { count: lives.length })}</p>
          <Sheet label={t("history.lives")}>
            <thead>
              <tr>
                <th scope="col">{t("history.fired_at")}</th>
                <th scope="col">{t("history.severity")}</th>
                <th scope="col">{t("history.alert")}</th>
                <th scope="col">{t("history.lasted")}</th>
                <th scope="col">{t("history.taken")}</th>
                <th scope="col">{t("history.called")}</th>
              </tr>
            </thead>
            {lives.map((life) => <LifeRows key={`${life.fingerprint}/${life.fired_at_ms}`} life={life} />)}
          </Sheet>
        </>
      )}
      {pages.hasNextPage && (
        <Button variant="default" mt="sm" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{t("history.older")}</Button>
      )}
    </Section>
  );
}

/** A life and, once opened, all that happened in it. */
function LifeRows({ life }: { life: Life }) {
  const { t, format } = useText();
  const [open, setOpen] = useState(false);
  const { alertname, severity, ...others } = life.labels;
  const what = Object.entries(others).map(([name, value]) => `${name}=${value}`).join(" ");
  const after = (at_ms: number | null, otherwise: string) => (at_ms === null ? otherwise : format.duration((at_ms - life.fired_at_ms) / 1000));
  return (
    <tbody>
      <tr>
        <td className="figure">
          <button type="button" className="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "▾" : "▸"} {format.time(life.fired_at_ms)}
          </button>
        </td>
        <td><SeverityMark severity={severity ?? ""} /></td>
        <td>{alertname} <span className="dim small">{what}</span></td>
        <td className="figure">{after(life.resolved_at_ms, t("history.goes_on"))}</td>
        <td className="figure">{after(life.acknowledged_at_ms, "–")}</td>
        <td>{t(life.told ? "app.yes" : "app.no")}</td>
      </tr>
      {open && <tr><td colSpan={6}><LifeTimeline life={life} /></td></tr>}
    </tbody>
  );
}
