// The audit log: who did what, when, and whether it was allowed. The search looks at what is loaded, and says how much.
import { Button, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { getAudit } from "../api/users";
import { ErrorText, Loading } from "../components/Answer";
import { Page, Sheet } from "../components/Page";
import { Mark } from "../components/StateMark";
import { useText } from "../i18n";
import { matches } from "../lib/search";

const ENTRIES = 200;

export default function Audit() {
  const { t, word, format } = useText();
  const [wanted, setWanted] = useState("");
  const audit = useInfiniteQuery({
    queryKey: ["audit"],
    initialPageParam: undefined as number | undefined,
    queryFn: ({ pageParam }) => getAudit(ENTRIES, pageParam),
    getNextPageParam: (page) => (page.length === ENTRIES ? page[page.length - 1]?.number : undefined),
  });
  const loaded = audit.data?.pages.flat() ?? [];
  const found = loaded.filter((entry) => matches(wanted, entry.who, entry.action, word("audit", entry.action), entry.object, entry.outcome));
  return (
    <Page title={t("audit.title")}>
      <TextInput className="search" type="search" label={t("audit.search")} value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} />
      {audit.isError && <p role="alert"><Mark tone="bad"><ErrorText error={audit.error} template="app.cannot_load" /></Mark></p>}
      {audit.isPending && <Loading />}
      {audit.data && (
        <>
          <p className="dim" role="status">{t("audit.shown", { found: found.length, loaded: loaded.length })}</p>
          <Sheet label={t("audit.title")}>
            <thead>
              <tr>
                <th scope="col">{t("audit.time")}</th>
                <th scope="col">{t("audit.who")}</th>
                <th scope="col">{t("audit.action")}</th>
                <th scope="col">{t("audit.object")}</th>
                <th scope="col">{t("audit.outcome")}</th>
              </tr>
            </thead>
            <tbody>
              {found.map((entry) => (
                <tr key={entry.number}>
                  <td className="figure">{format.time(entry.time_ms)}</td>
                  <td>{entry.who}</td>
                  <td>{word("audit", entry.action)}</td>
                  <td>{entry.object}</td>
                  <td>{entry.outcome.startsWith("done") ? t("audit.done") + entry.outcome.slice(4) : <Mark tone="caution">{entry.outcome}</Mark>}</td>
                </tr>
              ))}
            </tbody>
          </Sheet>
          {audit.hasNextPage && (
            <Button variant="default" loading={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>{t("audit.older")}</Button>
          )}
        </>
      )}
    </Page>
  );
}
