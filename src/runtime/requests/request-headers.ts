/**
 * What gateways and services tell each other beside the headers of a request's owner. On NATS they are headers:
 * docs/services.md.
 *
 * Pure. Owns: nothing that a client writes as a header can be taken for one of these.
 * @module
 */
import type { ErrorName } from "../../protocol/error-code.ts";
import type { Headers } from "../../protocol/frame.ts";

const names = {
  /** Of a request: names it, for `cancelSubject`. */
  id: "Weir-Request",
  /** Of a request: how long its answer is waited for. */
  deadlineMs: "Weir-Deadline-Ms",
  /** Of an answer: the responder could not do it, in its own words. */
  error: "Weir-Error",
  /** Of an answer: no responder gave it; why, by the name of an error. */
  cause: "Weir-Cause",
} as const;

/** Where it is said that a request is not waited for any more, by its id. */
export const cancelSubject = "b.requests.cancel";

/** Who takes requests for gateways: each goes to one of all that subscribe with this name. */
export const responders = "weir";

export type RequestHeaders = { readonly id?: string; readonly deadlineMs?: number };
export type ResponseHeaders = { readonly error?: string; readonly cause?: FailureCause };

/** Answers that a gateway gives in the place of a responder. */
const failureCauses = [
  "noResponders",
  "tooManyRequests",
  "responderFailed",
  "payloadTooLarge",
  "headersTooLarge",
] as const;
export type FailureCause = Extract<ErrorName, (typeof failureCauses)[number]>;

const own: ReadonlySet<string> = new Set(Object.values(names).map((name) => name.toLowerCase()));

export function requestHeaders(headers: Headers | undefined, { id, deadlineMs }: Required<RequestHeaders>): Headers {
  return { ...withoutOwn(headers), [names.id]: id, [names.deadlineMs]: String(deadlineMs) };
}

export function responseHeaders(headers: Headers | undefined, { error, cause }: ResponseHeaders): Headers {
  return {
    ...withoutOwn(headers),
    ...(error === undefined ? {} : { [names.error]: error }),
    ...(cause === undefined ? {} : { [names.cause]: cause }),
  };
}

/** Those of the request's owner; undefined: none. */
export function withoutOwn(headers: Headers | undefined): Headers | undefined {
  const others = Object.entries(headers ?? {}).filter(([name]) => !own.has(name.toLowerCase()));
  return others.length === 0 ? undefined : Object.fromEntries(others);
}

export function readRequestHeaders(headers: Headers | undefined): RequestHeaders {
  const id = found(headers, names.id);
  const deadlineMs = Number(found(headers, names.deadlineMs));
  return {
    ...(id === undefined ? {} : { id }),
    ...(Number.isSafeInteger(deadlineMs) && deadlineMs > 0 ? { deadlineMs } : {}),
  };
}

export function readResponseHeaders(headers: Headers | undefined): ResponseHeaders {
  const error = found(headers, names.error);
  const cause = failureCauses.find((name) => name === found(headers, names.cause));
  return { ...(error === undefined ? {} : { error }), ...(cause === undefined ? {} : { cause }) };
}

/** Services write names as their library does. */
function found(headers: Headers | undefined, wanted: string): string | undefined {
  const lower = wanted.toLowerCase();
  for (const name in headers) if (name.toLowerCase() === lower) return headers[name];
  return undefined;
}
