// `/api/v1/query_range`: PromQL over a stretch of time, for the charts.
import { call, withQuery } from "./client";

export type RangeSeries = {
  metric: Record<string, string>;
  /** Seconds since 1970, and the value as text (`NaN` and `+Inf` are values too). */
  values: [number, string][];
};

type Answer = { status: string; data: { resultType: string; result: RangeSeries[] } };

/** `start` and `end` in seconds since 1970, `step` in seconds. */
export async function queryRange(query: string, start: number, end: number, step: number) {
  const answer = await call<Answer>("GET", withQuery("/api/v1/query_range", { query, start, end, step }));
  return answer.data.result;
}
