// Speaks to the collector: JSON both ways, its errors as `ApiError`. Leaves to others: which address holds what.

/** What the collector refused or could not do. `status` 0: it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

type Method = "GET" | "POST" | "DELETE";

/** One call. Throws `ApiError`; an empty answer is `null`. */
export async function call<Answer>(method: Method, path: string, body?: unknown): Promise<Answer> {
  return (await exchange<Answer>(method, path, body)).answer;
}

/** A list, and how many more there are than it shows. */
export async function callForList<Item>(path: string): Promise<{ items: Item[]; left_out: number }> {
  const { answer, headers } = await exchange<Item[]>("GET", path);
  return { items: answer, left_out: Number(headers.get("X-Haidang-Left-Out") ?? 0) };
}

async function exchange<Answer>(method: Method, path: string, body?: unknown): Promise<{ answer: Answer; headers: Headers }> {
  const headers: Record<string, string> = { Accept: "application/json" };
  // The collector refuses changes without it: another site cannot make a browser send it.
  if (method !== "GET") headers["X-Haidang"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  const text = await response.text();
  const answer = parse(text);
  if (!response.ok) throw new ApiError(response.status, reason(answer, response), answer);
  return { answer: answer as Answer, headers: response.headers };
}

/** `path?a=1&b=2` of everything that is given. */
export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

function parse(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function reason(answer: unknown, response: Response): string {
  if (typeof answer === "object" && answer !== null && "error" in answer) {
    return String(answer.error);
  }
  return `${response.status} ${response.statusText}`.trim();
}
