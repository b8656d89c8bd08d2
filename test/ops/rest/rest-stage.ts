/**
 * A gateway over a real socket with its REST API: a log in memory, a key of each role, tokens of clients.
 * @module
 */
import { SignJWT } from "jose";
import { type Client, connect } from "../../../src/client/mod.ts";
import type { LiveConfig } from "../../../src/ops/config/live-config.ts";
import { apiKeys, keyDigest } from "../../../src/ops/rest/access.ts";
import { createRest, type Rest } from "../../../src/ops/rest/app.ts";
import type { MetricsHistory } from "../../../src/ops/telemetry/metrics-history.ts";
import type { LogEpoch } from "../../../src/protocol/ids.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { anonymousAuthenticator, authenticator, jwtAuthenticator } from "../../../src/runtime/auth.ts";
import { localBus } from "../../../src/runtime/bus/local.ts";
import { createGateway, type Gateway, type GatewayConfig } from "../../../src/runtime/gateway.ts";
import type { EventLog } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { plainRoutes, plainRoutesDefault } from "../../../src/runtime/plain/route.ts";
import type { Clock, Logger, LogLevel } from "../../../src/runtime/ports.ts";
import { systemProcess } from "../../../src/runtime/process-probe.ts";
import type { Role } from "../../../src/runtime/role.ts";
import { sha256, systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { bunTransport } from "../../../src/runtime/transport/bun.ts";

export const keys = { viewer: "key-of-vera", operator: "key-of-otto", admin: "key-of-ada" } as const satisfies Record<
  Role,
  string
>;
const names = { viewer: "vera", operator: "otto", admin: "ada" } as const;
const secret = "a secret of at least thirty-two characters";

export type RestStageOptions = {
  readonly config?: GatewayConfig;
  readonly settings?: (log: EventLog, logger: Logger) => Promise<LiveConfig>;
  readonly history?: MetricsHistory;
  readonly clock?: Clock;
  /** Only who has a token may connect. @default everybody */
  readonly anonymous?: boolean;
};
export type Call = {
  readonly as?: Role | "nobody";
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
};
export type Answer = { readonly status: number; readonly headers: Headers; readonly body: never };

export class RestStage {
  readonly log: EventLog = openMemoryLog({ clock: systemClock(), epoch: "memory" as LogEpoch });
  readonly lines: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
  /** May be changed: a key is withdrawn. */
  keys = (Object.keys(keys) as Role[]).map((role) => `${names[role]}:${role}:${keyDigest(keys[role])}`);
  readonly #probe = systemProcess();
  readonly #clients: Client[] = [];
  #gateway: Gateway | undefined;
  #rest: Rest | undefined;
  port = 0;

  static async open(options: RestStageOptions = {}): Promise<RestStage> {
    const stage = new RestStage();
    await stage.#start(options);
    return stage;
  }

  async #start({
    config,
    settings,
    history,
    clock = systemClock(),
    anonymous = true,
  }: RestStageOptions): Promise<void> {
    const { log } = this;
    const logger = {
      log: (_: LogLevel, event: string, fields: Readonly<Record<string, unknown>>) =>
        void this.lines.push({ event, fields }),
    };
    const live = await settings?.(log, logger);
    const authenticates = authenticator({
      jwt: jwtAuthenticator({ algorithms: ["HS256"], key: { kind: "secret", secret } }, { clock }),
      ...(anonymous ? { anonymous: anonymousAuthenticator({ publish: [">"], subscribe: [">"] }) } : {}),
    });
    const ports = {
      clock,
      random: systemRandom(),
      digest: sha256,
      log,
      bus: localBus(clock),
      transport: bunTransport(),
      authenticator: authenticates,
      logger,
      probe: this.#probe,
    };
    this.#gateway = createGateway(ports, {
      plainRoutes: plainRoutes(plainRoutesDefault),
      ...config,
      port: 0,
      http: (gateway) => {
        const address = () => ({ hostname: "127.0.0.1", port: this.port, secure: false });
        const access = { authenticator: authenticates, keys: () => apiKeys(this.keys) };
        this.#rest = createRest({
          gateway,
          log,
          clock,
          logger,
          ...access,
          limits: () => limits,
          config: live,
          history,
          address,
        });
        return this.#rest.handle;
      },
    });
    this.port = (await this.#gateway.start()).port;
  }

  get gateway(): Gateway {
    return this.#gateway as Gateway;
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  token(subject: string, weir: Record<string, unknown>, expiresIn = "1h"): Promise<string> {
    return new SignJWT({ sub: subject, weir })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime(expiresIn)
      .sign(new TextEncoder().encode(secret));
  }

  request(method: string, path: string, { as = "admin", token, headers = {}, body }: Call = {}): Promise<Response> {
    const credentials = token ?? (as === "nobody" ? undefined : keys[as]);
    const bytes = body instanceof Uint8Array;
    return fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(credentials === undefined ? {} : { Authorization: `Bearer ${credentials}` }),
        ...(body === undefined ? {} : { "Content-Type": bytes ? "application/octet-stream" : "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: bytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
    });
  }

  async call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const response = await this.request(method, path, call);
    return { status: response.status, headers: response.headers, body: (await response.json()) as never };
  }

  /** Attached when this resolves. */
  async client(): Promise<Client> {
    const before = this.gateway.inspect().node().sessionsAttached;
    const client = connect(`ws://127.0.0.1:${this.port}`);
    this.#clients.push(client);
    while (this.gateway.inspect().node().sessionsAttached === before) await Bun.sleep(1);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    this.#rest?.stop();
    await this.#gateway?.stop({ timeoutMs: 1_000 });
    await this.log.close();
    this.#probe.stop();
  }
}

/** Events of a stream, until `wanted` of them have come. */
export async function events(
  response: Response,
  wanted: number,
): Promise<{ event: string; id: string; data: never }[]> {
  const seen: { event: string; id: string; data: never }[] = [];
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name: string): string =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      if (field("event") !== "")
        seen.push({ event: field("event"), id: field("id"), data: JSON.parse(field("data")) as never });
      if (seen.length >= wanted) return seen;
    }
  }
  return seen;
}
