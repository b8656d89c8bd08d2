/**
 * A production gateway and production clients on virtual time with a log in memory: histories for those who look back,
 * made in milliseconds.
 * @module
 */
import { drainMicrotasks } from "bun:jsc";
import type { Client, ConnectOptions } from "../../../src/client/mod.ts";
import { connect } from "../../../src/client/mod.ts";
import { portsClock, VirtualClock } from "../../../src/ops/replay/virtual-clock.ts";
import { localBus } from "../../../src/runtime/bus/local.ts";
import { createGateway, type Gateway, type GatewayConfig } from "../../../src/runtime/gateway.ts";
import type { EventLog } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { sha256 } from "../../../src/runtime/system.ts";
import { type Link, memoryNetwork } from "../../../src/runtime/transport/memory.ts";
import { chanceFrom } from "../../sim/random.ts";
import { stillProcess } from "../../support/still-process.ts";

const eventsMax = 1_000_000;

export type StagedClient = {
  readonly client: Client;
  /** Both ends learn at once that the connection is lost. */
  cut(): void;
  /** From now on nothing passes, and nobody is told. */
  mute(): void;
  /** From now on it reads nothing: what is sent to it piles up. */
  stall(): void;
  /** Connections of it fail until `mend`. */
  sever(): void;
  mend(): void;
};

export class ReplayStage {
  readonly clock = new VirtualClock({ startMs: Date.UTC(2026, 0, 1), eventsMax, drain: drainMicrotasks });
  readonly log: EventLog;
  readonly gateway: Gateway;
  readonly #network: ReturnType<typeof memoryNetwork>;
  readonly #chance = chanceFrom("replay");

  constructor(config: GatewayConfig = {}) {
    const clock = portsClock(this.clock);
    const chance = this.#chance.fork("gateway");
    const random = { next: chance.next, token: chance.token };
    this.log = openMemoryLog({ clock, epoch: "staged" });
    this.#network = memoryNetwork({ clock, random, latencyMs: () => 0.1 });
    this.gateway = createGateway(
      {
        ...{ clock, random, digest: sha256, log: this.log, bus: localBus(clock), transport: this.#network.transport },
        authenticator: {
          authenticate: async (token) => ({
            ok: true,
            identity: { subject: token ?? "", publish: [">"], subscribe: [">", "$dead.>"] },
          }),
        },
        probe: stillProcess(),
        logger: { log: () => undefined },
      },
      { port: 8080, hostname: "staged", node: "n1", ...config },
    );
    void this.gateway.start();
    this.pass(10);
  }

  /** Virtual time goes on, and everything in it happens. */
  pass(ms: number): void {
    this.clock.runUntil(this.clock.nowMs + ms);
  }

  /** Waits in virtual time. */
  done<T>(promise: PromiseLike<T>, withinMs = 60_000): T {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    const until = this.clock.nowMs + withinMs;
    this.clock.settle();
    while (outcome === undefined && this.clock.nowMs < until && this.clock.step(until));
    if (outcome === undefined) throw new Error(`Not within ${withinMs} ms of virtual time`);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  client(name: string, options: ConnectOptions = {}): StagedClient {
    let link: Link | undefined;
    let severed = false;
    const client = connect("ws://staged:8080/", {
      token: name,
      agent: "staged",
      reconnect: { minMs: 50, maxMs: 500 },
      ...options,
      ports: {
        clock: portsClock(this.clock),
        random: { next: this.#chance.fork(name).next },
        openSocket: (_url, subprotocol, events) => {
          const url = severed ? "ws://nobody:1/" : "ws://staged:8080/";
          link = this.#network.connect({ url, subprotocols: [subprotocol], events });
          return link.socket;
        },
      },
    });
    this.pass(5);
    return {
      client,
      cut: () => link?.reset(),
      mute: () => link?.halfOpen(),
      stall: () => link?.stall(),
      sever: () => {
        severed = true;
        link?.reset();
      },
      mend: () => {
        severed = false;
      },
    };
  }

  /** Of a client that is connected. */
  sessionOf(name: string): string {
    const found = this.gateway
      .inspect()
      .sessions("", 100)
      .items.filter(({ subject }) => subject === name);
    const [newest] = found.toReversed();
    if (newest === undefined) throw new Error(`${name} has no session`);
    return newest.id;
  }

  publish({ client }: StagedClient, topic: string, text: string): number {
    return this.done(client.publish(topic, new TextEncoder().encode(text))).seq ?? 0;
  }
}
