// Security events: the collector searches; filters, their course over time, and pages of lines.
import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { searchEvents, type EventsQuery } from "../api/events";
import { getHosts } from "../api/hosts";
import { ErrorText, Loading } from "../components/Answer";
import { EventTable } from "../components/EventTable";
import { Histogram } from "../components/Histogram";
import { Page, Section } from "../components/Page";
import { Mark } from "../components/StateMark";
import { useText } from "../i18n";
import { useHashQuery } from "../lib/address";
import { RANGES, type RangeName } from "../lib/charts";
import { collectorNowMs } from "../lib/live_state";

const PAGE_LENGTH = 50;
const CLASSES = [
  "authentication",
  "account_change",
  "file_system_activity",
  "process_activity",
  "network_activity",
  "device_config_change",
  "detection_finding",
  "base_event",
];
const SEVERITIES = ["low", "medium", "high", "critical"];

type Filter = Pick<EventsQuery, "text" | "host" | "class" | "severity_min"> & { range: RangeName };

export default function Events() {
  const { t, format } = useText();
  const host = useHashQuery().get("host") ?? "";
  const [filter, setFilter] = useState<Filter>({ host, range: "24h" });
  const { range, ...rest } = filter;
  const pages = useInfiniteQuery({
    queryKey: ["events", filter],
    queryFn: ({ pageParam }) =>
      searchEvents({
        ...rest,
        from_ms: Math.floor(collectorNowMs() - RANGES[range].seconds * 1000),
        limit: PAGE_LENGTH,
        before: pageParam,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    refetchInterval: 30_000,
  });
  const first = pages.data?.pages[0];
  const events = pages.data?.pages.flatMap((page) => page.events) ?? [];
  return (
    <Page title={t("events.title")}>
      <Filters filter={filter} onChange={setFilter} />
      {pages.isError && (
        <p role="alert" className="note">
          <Mark tone="bad"><ErrorText error={pages.error} template="app.cannot_load" /></Mark>
        </p>
      )}
      {!first && !pages.isError && <Loading />}
      {first && (
        <Section title={t("events.total", { total: format.number(first.total, 0) })}>
          {first.days_missing && first.days_missing.length > 0 && (
            <p role="alert"><Mark tone="bad">{t("events.days_missing", { days: first.days_missing.join(", ") })}</Mark></p>
          )}
          <Histogram bars={first.histogram} />
          {events.length === 0 ? <p className="dim">{t("events.none")}</p> : <EventTable events={events} />}
          {pages.hasNextPage && (
            <Button variant="default" mt="sm" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
              {t("events.older")}
            </Button>
          )}
        </Section>
      )}
    </Page>
  );
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const { t, word } = useText();
  const [text, setText] = useState(filter.text ?? "");
  const hosts = useQuery({ queryKey: ["hosts"], queryFn: getHosts });
  const known = hosts.data?.map((host) => host.id) ?? [];
  const ids = filter.host && !known.includes(filter.host) ? [filter.host, ...known] : known;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChange({ ...filter, text: text.trim() });
  };
  const all = { value: "", label: t("app.all") };
  return (
    <form role="search" className="row" onSubmit={submit}>
      <TextInput
        type="search"
        label={t("events.search")}
        placeholder={t("events.search_hint")}
        style={{ flex: "1 1 18rem" }}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <NativeSelect
        label={t("events.host")}
        value={filter.host}
        data={[all, ...ids.map((id) => ({ value: id, label: id }))]}
        onChange={(event) => onChange({ ...filter, host: event.currentTarget.value })}
      />
      <NativeSelect
        label={t("events.class")}
        value={filter.class}
        data={[all, ...CLASSES.map((name) => ({ value: name, label: word("class", name) }))]}
        onChange={(event) => onChange({ ...filter, class: event.currentTarget.value })}
      />
      <NativeSelect
        label={t("events.severity")}
        value={filter.severity_min}
        data={[all, ...SEVERITIES.map((name) => ({ value: name, label: word("severity", name) }))]}
        onChange={(event) => onChange({ ...filter, severity_min: event.currentTarget.value })}
      />
      <NativeSelect
        label={t("events.range")}
        value={filter.range}
        data={Object.keys(RANGES).map((name) => ({ value: name, label: word("range", name) }))}
        onChange={(event) => onChange({ ...filter, range: event.currentTarget.value as RangeName })}
      />
      <Button type="submit">{t("events.search")}</Button>
    </form>
  );
}
