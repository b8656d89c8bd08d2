/**
 * What a client is answered when the proxy cannot do what it asked: problem details (RFC 9457) with a cause. Addresses of
 * backends stay out of it, they are in the log.
 *
 * Pure.
 * @module
 */

export const proxyProblems = {
  badRequest: { status: 400, title: "Bad request" },
  requestTimeout: { status: 408, title: "Request timeout" },
  headTooLarge: { status: 431, title: "Request header fields too large" },
  codingUnknown: { status: 501, title: "Not implemented" },
  versionUnknown: { status: 505, title: "HTTP version not supported" },
  loop: { status: 508, title: "Loop detected" },
  tooManyConnections: { status: 503, title: "Service unavailable" },
  noBackend: { status: 503, title: "Service unavailable" },
  stopping: { status: 503, title: "Service unavailable" },
  backendRefused: { status: 502, title: "Bad gateway" },
  backendUnreachable: { status: 502, title: "Bad gateway" },
  backendUntrusted: { status: 502, title: "Bad gateway" },
  backendClosed: { status: 502, title: "Bad gateway" },
  backendInvalid: { status: 502, title: "Bad gateway" },
  backendTimeout: { status: 504, title: "Gateway timeout" },
} as const satisfies Readonly<Record<string, { status: number; title: string }>>;
export type ProblemCause = keyof typeof proxyProblems;

export type Problem = {
  readonly cause: ProblemCause;
  readonly detail: string;
  /** How many backends were asked. */
  readonly attempts?: number;
};

const retryAfterSeconds = 1;

/** The whole answer; the connection is closed after it. `bodiless`: to a HEAD. */
export function problemAnswer({ cause, detail, attempts }: Problem, bodiless = false): Buffer {
  const { status, title } = proxyProblems[cause];
  const body = Buffer.from(`${JSON.stringify({ type: "about:blank", title, status, detail, cause, attempts })}\n`);
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${body.byteLength}`,
    "Cache-Control: no-store",
    ...(status === 503 ? [`Retry-After: ${retryAfterSeconds}`] : []),
    "Connection: close",
  ].join("\r\n");
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, "latin1"), ...(bodiless ? [] : [body])]);
}
