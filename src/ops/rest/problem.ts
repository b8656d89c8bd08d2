/**
 * What is answered when something cannot be done: problem details as RFC 9457 says, with the cause as one word for
 * programs and a sentence with the value in it for people.
 * @module
 */
import { z } from "@hono/zod-openapi";

export const problemSchema = z
  .strictObject({
    type: z.literal("about:blank"),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    /** One word for programs. */
    cause: z.string(),
    /** Of a request that is not as it should be. */
    errors: z.array(z.strictObject({ at: z.string(), message: z.string() })).optional(),
  })
  .openapi("Problem");
type Problem = z.infer<typeof problemSchema>;

const titles = {
  400: "Bad request",
  401: "Not authenticated",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  406: "Not acceptable",
  409: "Conflict",
  413: "Too large",
  415: "Unsupported media type",
  422: "Cannot be done",
  500: "Internal error",
  501: "Not available here",
  503: "Unavailable",
  507: "No space left",
} as const;
export type ProblemStatus = keyof typeof titles;

/** Thrown by handlers; the application answers it. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: ProblemStatus;
  readonly code: string;
  readonly errors: Problem["errors"];

  constructor(status: ProblemStatus, code: string, detail: string, errors?: Problem["errors"]) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

export function problemResponse({ status, code, message, errors }: ProblemError): Response {
  const body: Problem = {
    type: "about:blank",
    title: titles[status],
    status,
    detail: message,
    cause: code,
    ...(errors === undefined ? {} : { errors }),
  };
  const headers: Record<string, string> = { "Content-Type": "application/problem+json", "Cache-Control": "no-store" };
  if (status === 401) headers["WWW-Authenticate"] = 'Bearer realm="weir"';
  if (status === 503) headers["Retry-After"] = "1";
  return new Response(`${JSON.stringify(body)}\n`, { status, headers });
}

export function notFound(what: string): ProblemError {
  return new ProblemError(404, "notFound", what);
}
