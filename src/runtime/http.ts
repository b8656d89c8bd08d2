/**
 * Answers plain HTTP next to the sockets: what this is, whether it lives, whether it takes clients, what it counts.
 * @module
 */
import { subprotocols } from "../protocol/subprotocol.ts";
import type { Exposition } from "./exposition.ts";
import type { LogInfo } from "./log/event-log.ts";

export type Health = {
  readonly status: "ok" | "stopping";
  readonly version: string;
  readonly uptimeMs: number;
  readonly websocket: { readonly connections: number; readonly sessions: number };
  readonly log: LogInfo;
};
/** No reasons: clients may come. */
export type Readiness = {
  readonly reasons: readonly string[];
  /** ISO 8601; of the reason `logUnavailable`. */
  readonly logUnavailableSince?: string;
};

export type HttpOptions = {
  health(): Health;
  ready(): Readiness;
  readonly metrics: Exposition;
  /** Answers what is not answered here. */
  readonly otherwise?: HttpHandler;
};
/** `remoteAddress`: of whoever asks; of a proxy, where one is between. */
export type HttpHandler = {
  (request: Request, remoteAddress: string): Response | Promise<Response>;
  /** Lines for whoever asks what is here: `/docs     what REST answers`. */
  readonly about?: string;
};

type Endpoint = () => Response | Promise<Response>;

export function httpHandler(options: HttpOptions): (request: Request, remoteAddress: string) => Promise<Response> {
  const endpoints = new Map<string, Endpoint>([
    ["/", () => text(`${welcomeText}${options.otherwise?.about ?? ""}`)],
    ["/health", () => json(200, options.health())],
    ["/ready", () => readiness(options.ready())],
    ["/metrics", async () => text(await options.metrics.text(), options.metrics.contentType)],
  ]);
  return async (request, remoteAddress) => {
    const { pathname } = new URL(request.url);
    const endpoint = endpoints.get(pathname);
    if (endpoint === undefined) {
      if (options.otherwise !== undefined) return options.otherwise(request, remoteAddress);
      const known = [...endpoints.keys()].join(", ");
      return problem(404, "Not found", `Nothing is at ${pathname.slice(0, 200)}; try ${known}`);
    }
    // The server leaves the body of an answer to HEAD out.
    if (request.method === "GET" || request.method === "HEAD") return endpoint();
    const refusal = problem(405, "Method not allowed", `${pathname} answers GET and HEAD, not ${request.method}`);
    refusal.headers.set("Allow", "GET, HEAD");
    return refusal;
  };
}

const welcomeText = `Weir, a realtime gateway. Open a WebSocket here and offer one of these subprotocols:
${Object.values(subprotocols)
  .map((name) => `  ${name}\n`)
  .join("")}
/health   what it is doing
/ready    whether it takes clients
/metrics  what it counts, for Prometheus
`;

function readiness(readiness: Readiness): Response {
  if (readiness.reasons.length === 0) return json(200, { ready: true });
  return json(503, { ready: false, ...readiness });
}

function text(body: string, contentType = "text/plain; charset=utf-8"): Response {
  return new Response(body, { headers: { "Content-Type": contentType, "Cache-Control": "no-store" } });
}

function json(status: number, value: unknown): Response {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  return new Response(`${JSON.stringify(value)}\n`, { status, headers });
}

/** RFC 9457. */
function problem(status: number, title: string, detail: string): Response {
  const body = JSON.stringify({ type: "about:blank", title, status, detail });
  return new Response(`${body}\n`, { status, headers: { "Content-Type": "application/problem+json" } });
}
