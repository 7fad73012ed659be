// What a page shows while an answer is on its way, and when it could not be had. Old data stays, marked as such above it.
import { Button, Loader } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { useText } from "../i18n";
import { Mark } from "./StateMark";

type Props<Data> = { query: UseQueryResult<Data>; children: (data: Data) => ReactNode };

export function Answer<Data>({ query, children }: Props<Data>) {
  const { t } = useText();
  return (
    <>
      {query.isError && (
        <div className="note" role="alert">
          <Mark tone="bad">
            <ErrorText error={query.error} template="app.cannot_load" />
          </Mark>
          <Button size="xs" variant="default" onClick={() => void query.refetch()}>
            {t("app.retry")}
          </Button>
        </div>
      )}
      {query.data !== undefined ? children(query.data) : query.isPending && <Loading />}
    </>
  );
}

export function Loading() {
  const { t } = useText();
  return (
    <p className="loading" role="status">
      <Loader size="sm" aria-hidden="true" /> {t("app.loading")}
    </p>
  );
}

type ErrorProps = { error: unknown; template?: "app.cannot_load" | "app.refused" };

export function ErrorText({ error, template = "app.refused" }: ErrorProps) {
  const { t } = useText();
  if (error instanceof ApiError && error.status === 0) return t("app.unreachable");
  return t(template, { reason: error instanceof Error ? error.message : String(error) });
}

/** The failure of a change, next to its button. */
export function Refused({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p role="alert">
      <Mark tone="bad">
        <ErrorText error={error} />
      </Mark>
    </p>
  );
}
