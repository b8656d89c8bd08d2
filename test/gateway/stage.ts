/**
 * A production gateway over real sockets with an embedded log in a directory of its own: what it cannot show by
 * itself (a log that stalls or fails, a clock that runs when told) comes in through its ports.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codecs } from "../../src/protocol/codecs.ts";
import { limits } from "../../src/protocol/limits.ts";
import { anonymousAuthenticator } from "../../src/runtime/auth.ts";
import { localBus } from "../../src/runtime/bus/local.ts";
import { createGateway, type Gateway, type GatewayConfig, type LiveGatewayConfig } from "../../src/runtime/gateway.ts";
import { openEmbeddedLog } from "../../src/runtime/log/embedded/mod.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import type { Authenticator, Clock, LogLevel } from "../../src/runtime/ports.ts";
import { systemProcess } from "../../src/runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../../src/runtime/system.ts";
import { bunTransport } from "../../src/runtime/transport/bun.ts";
import { World } from "../conformance/world.ts";
import { ManualClock } from "../support/manual-clock.ts";

export type StageOptions = {
  readonly config?: GatewayConfig;
  readonly authenticator?: Authenticator;
  readonly clock?: Clock;
  /** The log as the gateway sees it. */
  readonly log?: (log: EventLog) => EventLog;
};
export type Line = {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

/** Time stands still but for `advance`; the end of a tick is the real one, as sockets need it. */
export class SteeredClock extends ManualClock {
  override soon(run: () => void): void {
    setImmediate(run);
  }
}

const waitMs = 10_000;
const pollMs = 5;

/** Everything of `log`, with some of it replaced. */
export function replaced(log: EventLog, parts: Partial<EventLog>): EventLog {
  return new Proxy(log, {
    get(target, name) {
      const own = (parts as Record<PropertyKey, unknown>)[name];
      if (own !== undefined) return own;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Waits for a fact, with a deadline. */
export async function until(fact: () => boolean | Promise<boolean>, what: string, withinMs = waitMs): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await fact())) {
    if (Date.now() > end) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await Bun.sleep(pollMs);
  }
}

export class Stage {
  readonly lines: Line[] = [];
  readonly #options: StageOptions;
  readonly #directory = mkdtempSync(join(tmpdir(), "weir-gateway-test-"));
  readonly #worlds: World[] = [];
  readonly #probe = systemProcess();
  #gateway: Gateway | undefined;
  #log: EventLog | undefined;
  #port = 0;

  private constructor(options: StageOptions) {
    this.#options = options;
  }

  static async open(options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options);
    await stage.start();
    return stage;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/`;
  }
  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error("The gateway is stopped");
    return this.#gateway;
  }
  get log(): EventLog {
    if (this.#log === undefined) throw new Error("The log is closed");
    return this.#log;
  }

  async start(): Promise<void> {
    const random = systemRandom();
    this.#log = await openEmbeddedLog(this.#directory, { clock: systemClock(), random });
    const ports = {
      clock: this.#options.clock ?? systemClock(),
      random,
      digest: sha256,
      log: this.#options.log?.(this.#log) ?? this.#log,
      bus: localBus(this.#options.clock ?? systemClock()),
      transport: bunTransport(),
      authenticator: this.#options.authenticator ?? anonymousAuthenticator({ publish: [">"], subscribe: [">"] }),
      logger: {
        log: (level: LogLevel, event: string, fields: Line["fields"]) => void this.lines.push({ level, event, fields }),
      },
      probe: this.#probe,
    };
    this.#gateway = createGateway(ports, { ...this.#options.config, port: this.#port });
    this.#port = (await this.#gateway.start()).port;
  }

  /** Sockets, codec and few words for a client of this gateway. */
  world(token?: string): World {
    const target = { url: this.url, codec: codecs.msgpack, handshakeMs: limits.handshakeMs, waitMs };
    const world = new World(token === undefined ? target : { ...target, token });
    this.#worlds.push(world);
    return world;
  }

  /** As an operator who changes settings. */
  configure(changes: LiveGatewayConfig): void {
    this.#gateway?.configure(changes);
  }

  /** Value of a metric, as an operator reads it. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`No metric ${name}`);
    return Number(line.slice(name.length));
  }

  /** Graceful, as an operator's SIGTERM; the log is flushed and closed. */
  async stop(): Promise<void> {
    const gateway = this.#gateway;
    this.#gateway = undefined;
    if (gateway === undefined) return;
    const stopped = gateway.stop({ timeoutMs: 2_000 });
    const { clock } = this.#options;
    // Time goes on while it stops.
    const timer = clock instanceof ManualClock ? setInterval(() => clock.advance(20), 1) : undefined;
    await stopped;
    clearInterval(timer);
    await this.#log?.close();
    this.#log = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#worlds.map((world) => world.end()));
    await this.stop();
    this.#probe.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
