/**
 * Asks the gateway's REST API with the reader's key. The key stays in this tab (session storage) and travels in a
 * header alone, never in an address.
 * @module
 */

const keyName = "weir.key";

/** RFC 9457. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function storedKey(): string {
  return sessionStorage.getItem(keyName) ?? "";
}

export function storeKey(key: string): void {
  if (key === "") sessionStorage.removeItem(keyName);
  else sessionStorage.setItem(keyName, key);
}

function headers(extra: Readonly<Record<string, string>>): Headers {
  const all = new Headers(extra);
  const key = storedKey();
  if (key !== "") all.set("Authorization", `Bearer ${key}`);
  return all;
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const { title, detail } = JSON.parse(text) as { title?: string; detail?: string };
    return new Problem(response.status, detail ?? title ?? text);
  } catch {
    return new Problem(response.status, text.slice(0, 300) || `The gateway answered ${response.status}`);
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const init = { headers: headers({ Accept: "application/json" }), ...(signal === undefined ? {} : { signal }) };
  const response = await fetch(path, init);
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

export async function send<T>(method: "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, {
    method,
    headers: headers({
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

export type StreamOptions = {
  readonly signal: AbortSignal;
  /** Every `data` of the stream, parsed. */
  readonly onData: (data: unknown) => void;
};

/** Server-sent events, by fetch: an EventSource could not carry the key in a header. Resolves at the stream's end. */
export async function stream(path: string, { signal, onData }: StreamOptions): Promise<void> {
  const response = await fetch(path, { headers: headers({ Accept: "text/event-stream" }), signal });
  if (!response.ok || response.body === null) throw await problemOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const lines = event.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length > 0) onData(JSON.parse(lines.map((line) => line.slice(5)).join("\n")));
    }
  }
}
