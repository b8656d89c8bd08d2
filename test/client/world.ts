/**
 * A world for the SDK: virtual clock, in-memory sockets, the real codec, and a peer that does what a test says.
 * @module
 */

import type { Client, ClientPorts, ClientSocketEvents, ConnectOptions } from "../../src/client/mod.ts";
import { connect } from "../../src/client/mod.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame, FrameType, Subscribed, Welcome } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";

type Timer = { at: number; order: number; wake: () => void };
export type FrameOf<Type extends FrameType> = Extract<Frame, { type: Type }>;

export class VirtualClock {
  #now = 1_000_000;
  #order = 0;
  #timers: Timer[] = [];
  #soon: (() => void)[] = [];
  now = (): number => this.#now;
  soon = (run: () => void): void => void this.#soon.push(run);
  after = (delayMs: number, wake: () => void): { cancel(): void } => {
    const timer = { at: this.#now + delayMs, order: this.#order++, wake };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((each) => each !== timer)) };
  };

  /** Runs everything that is due now, and what follows from it, until nothing is left to do. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => setImmediate(resolve)); // Microtasks, and I/O of real stores.
      const due = this.#soon;
      this.#soon = [];
      for (const run of due) run();
      quiet = due.length === 0 ? quiet + 1 : 0;
    }
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (;;) {
      const next = this.#timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await this.settle();
    }
    this.#now = end;
  }
}

/** The gateway's end of one socket. */
export class PeerConnection {
  readonly received: Frame[] = [];
  readonly #events: ClientSocketEvents;
  closed: { code: number; reason: string } | undefined;
  onFrame: (frame: Frame) => void = () => undefined;

  constructor(events: ClientSocketEvents) {
    this.#events = events;
  }

  send(frame: Frame): void {
    if (this.closed === undefined) this.#events.message((codecs.msgpack.encode(frame) as Uint8Array).slice());
  }
  end(code: number, reason = ""): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    this.#events.close(code, reason);
  }
  take(data: Uint8Array | string): void {
    if (this.closed !== undefined) return;
    const decoded = codecs.msgpack.decode(data, limits);
    if (!decoded.ok) throw new Error(`The client sent ${decoded.code}: ${decoded.message}`);
    this.received.push(decoded.frame);
    this.onFrame(decoded.frame);
  }
  all<Type extends FrameType>(type: Type): FrameOf<Type>[] {
    return this.received.filter((frame) => frame.type === type) as FrameOf<Type>[];
  }
  last<Type extends FrameType>(type: Type): FrameOf<Type> {
    const frame = this.all(type).at(-1);
    if (frame === undefined) throw new Error(`No ${type} among ${this.received.map((each) => each.type).join(", ")}`);
    return frame;
  }
  welcome(change: Partial<Welcome> = {}): void {
    this.send({ ...standardWelcome, ...change });
  }
  /** Answers the newest SUBSCRIBE, or restores a filter when `ref` is 0. */
  subscribed(change: Partial<Subscribed> & { filter: string }, last = 0): void {
    const asked = this.all("subscribe").findLast(({ filter }) => filter === change.filter);
    this.send({
      type: "subscribed",
      ref: asked?.ref ?? 0,
      qos: asked?.qos ?? 1,
      chains: ([0, 1, 2, 3] as const).map((lane) => ({ chain: 10 + lane, lane, last })),
      window: asked?.window ?? { records: limits.deliverWindowRecords, bytes: limits.deliverWindowBytes },
      resume: { kind: "upToDate" },
      ...change,
    });
  }
}

export const standardWelcome: Welcome = {
  type: "welcome",
  session: "S1",
  resumeKey: "key",
  outcome: "opened",
  owner: 1,
  node: "n1",
  epoch: "E1",
  tier: "disk",
  resumeWindowMs: 300_000,
  publishedUpTo: 0,
  credit: { records: limits.publishCreditRecords, bytes: limits.publishCreditBytes },
  heartbeatMs: limits.heartbeatMs,
  frameBytesMax: limits.frameBytesMax,
  payloadBytesMax: limits.payloadBytesMax,
  time: 1_000_000,
  features: ["transactions"],
};

export class World {
  readonly clock = new VirtualClock();
  readonly connections: PeerConnection[] = [];
  /** That sockets were opened to, in order. */
  readonly urls: string[] = [];
  readonly refuse = { connects: false };
  /** Sockets stay as they are until `openHeld()`. */
  holdOpening = false;
  #held: (() => void)[] = [];
  readonly #random: () => number;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  get ports(): ClientPorts {
    return {
      clock: this.clock,
      random: { next: this.#random },
      openSocket: (url, subprotocol, events) => {
        const peer = new PeerConnection(events);
        this.connections.push(peer);
        this.urls.push(url);
        const open = (): void => (this.refuse.connects ? peer.end(1006) : events.open(subprotocol));
        if (this.holdOpening) this.#held.push(open);
        else this.clock.soon(open);
        return {
          send: (data) => peer.take(data),
          bufferedBytes: () => 0,
          close: (code, reason) => void (peer.closed ??= { code, reason }),
        };
      },
    };
  }

  connect(options: ConnectOptions = {}): Client {
    return connect("ws://gateway", { ports: this.ports, ...options });
  }

  openHeld(): void {
    for (const open of this.#held.splice(0)) open();
  }

  /** The newest connection. */
  get peer(): PeerConnection {
    const peer = this.connections.at(-1);
    if (peer === undefined) throw new Error("No connection was opened");
    return peer;
  }

  async connected(options: ConnectOptions = {}, welcome: Partial<Welcome> = {}): Promise<Client> {
    const client = this.connect(options);
    await this.clock.settle();
    this.peer.welcome(welcome);
    await this.clock.settle();
    return client;
  }

  /** Loses the connection and lets the client make another one. */
  async reconnect(code = 1006): Promise<PeerConnection> {
    this.peer.end(code);
    await this.clock.advance(30_000);
    return this.peer;
  }

  /** Waits for a promise that needs the virtual clock to go on. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    promise.then(
      () => (done = true),
      () => (done = true),
    );
    await this.until(() => done);
    return await promise;
  }

  /** For real stores: settles until it holds. */
  async until(holds: () => boolean, boundMs = 4_000): Promise<void> {
    const begun = performance.now();
    while (!holds()) {
      if (performance.now() - begun > boundMs) throw new Error(`Did not happen: ${holds.toString()}`);
      await this.clock.settle();
    }
  }
}

export function records(first: number, count: number, lane: 0 | 1 | 2 | 3 = 2) {
  return Array.from({ length: count }, (_, i) => ({
    seq: first + i,
    time: 1_000_000,
    topic: "orders.eu",
    id: `S9/${first + i}`,
    lane,
    payload: new TextEncoder().encode(JSON.stringify(first + i)),
  }));
}

/** How a promise stands, without waiting for it. */
export async function outcome<T>(promise: Promise<T>): Promise<{ value: T } | { code: string } | "pending"> {
  const pending = new Promise<"pending">((resolve) => setImmediate(() => resolve("pending")));
  return await Promise.race([
    promise.then(
      (value) => ({ value }),
      (error: { code: string }) => ({ code: error.code }),
    ),
    pending,
  ]);
}

/** A promise whose rejection is looked at later. */
export function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
