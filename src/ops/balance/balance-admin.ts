/**
 * What operators see and do, on a port of its own: health, metrics, backends, decisions; draining a backend.
 *
 * Looking needs nothing, so the port belongs on an address that only operators reach. Changing needs the admin token, where
 * one is set; and is refused to web pages in any case (a page of any site can send a POST to an address of this machine).
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { sha256 } from "../../runtime/system.ts";
import type { Listener, Transport } from "../../runtime/transport/transport.ts";
import type { Backend } from "./backend.ts";
import { type BalanceExposition, balanceExposition } from "./balance-metrics.ts";
import type { BalanceServer } from "./balance-server.ts";

export type BalanceAdminOptions = {
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
  /** Bearer token for changes; undefined: whoever reaches the port may. */
  readonly token: string | undefined;
};

const requestBytesMax = 65_536;

export async function startAdmin(
  server: BalanceServer,
  transport: Transport,
  { hostname, port, token }: BalanceAdminOptions,
): Promise<Listener> {
  const admin = new BalanceAdmin(server, token);
  const bounds = {
    messageBytesMax: requestBytesMax,
    backpressureBytesMax: requestBytesMax,
    heldBytesMax: requestBytesMax,
  };
  return await transport.listen(
    { hostname, port, ...bounds },
    {
      upgrade: () => ({ accept: false, status: 404, message: "No WebSocket is here" }),
      open: () => ({ message: () => undefined, drain: () => undefined, close: () => undefined }),
      http: (request) => admin.answer(request),
    },
  );
}

class BalanceAdmin {
  readonly #server: BalanceServer;
  readonly #token: string | undefined;
  readonly #exposition: BalanceExposition;

  constructor(server: BalanceServer, token: string | undefined) {
    this.#server = server;
    this.#token = token;
    this.#exposition = balanceExposition(server.metrics, server.backends);
  }

  async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, id, action] = /^\/backends\/([^/]+)\/(drain|resume)$/.exec(pathname) ?? [];
    if (id !== undefined) return this.#change(request, decoded(id), action === "drain");
    const isLooking = request.method === "GET" || request.method === "HEAD";
    if (!isLooking) return problem(405, "Method not allowed", `${pathname} answers GET and HEAD`);
    const { backends, metrics, isStopping, idleBackendConnections } = this.#server;
    switch (pathname) {
      case "/health":
        return json(200, { status: isStopping ? "stopping" : "ok", ...metrics.view(), idleBackendConnections });
      case "/ready": {
        const ready = !isStopping && backends.available > 0;
        return json(ready ? 200 : 503, { ready, backendsAvailable: backends.available });
      }
      case "/metrics":
        return new Response(await this.#exposition.text(), {
          headers: { "Content-Type": this.#exposition.contentType },
        });
      case "/backends":
        return json(200, { items: backends.all().map((one) => this.#view(one)) });
      case "/decisions":
        return json(200, { items: backends.decisions.toReversed() });
      default:
        return problem(404, "Not found", "Try /health, /ready, /metrics, /backends, /decisions");
    }
  }

  #change(request: Request, id: string, draining: boolean): Response {
    if (request.method !== "POST") return problem(405, "Method not allowed", "Draining is a POST");
    if (request.headers.has("origin")) return problem(403, "Forbidden", "Web pages may not change anything here");
    if (!this.#mayChange(request)) return problem(401, "Unauthorized", "Send Authorization: Bearer <admin token>");
    const backend = this.#server.backends.byId(id);
    if (backend === undefined)
      return problem(404, "Not found", `No backend ${id.slice(0, 100)} is known, see /backends`);
    this.#server.backends.drain(backend, draining);
    return json(200, this.#view(backend));
  }

  #mayChange(request: Request): boolean {
    if (this.#token === undefined) return true;
    const given = request.headers.get("authorization")?.replace(/^Bearer +/i, "") ?? "";
    return timingSafeEqual(Buffer.from(sha256(given)), Buffer.from(sha256(this.#token)));
  }

  #view(backend: Backend) {
    const { id, node, origin, spec, draining, leaving, connections, opened, failures } = backend;
    const ejected = this.#server.backends.isEjected(backend);
    const state = draining || leaving ? "draining" : ejected ? "ejected" : backend.health.status;
    const responseMs = backend.responses.value;
    return { id, node, state, origin, weight: spec.weight, tier: spec.tier, connections, opened, failures, responseMs };
  }
}

/** As it is, where it is no encoded text: then no backend has that name. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
