/**
 * One gateway's connection to the simulated NATS: what the adapter uses of the client library, with the library's
 * manners: what is published while it is away is dropped unseen, and it connects again without end.
 * @module
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Cancel, SimClock, SimProcess } from "../clock.ts";
import type { Chance } from "../random.ts";
import { type Delivery, type Fields, parseHeaders, subjectMatches } from "./message.ts";

export type Published = {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly fields: Fields;
  readonly data: Uint8Array;
};

export type ServerSide = {
  /** Whether it lets somebody in now. */
  readonly open: boolean;
  /** What it sends now does not get there: lost between the servers of a cluster. */
  losesAnswer(): boolean;
  receive(connection: SimConnection, message: Published): void;
};

/** Where planted bugs change what a gateway says to NATS, or hears. */
export type NatsMeddling = {
  readonly sends?: (message: Published, connection: SimConnection) => Published;
  /** Consumers that are gone go on beating: as if silence was not noticed. */
  readonly deadConsumersBeat?: boolean;
  readonly hears?: (delivery: Delivery, connection: SimConnection) => Delivery;
};

type Status = { readonly type: "disconnect" | "reconnect" };
/** Messages that travel together, as in one TCP segment. */
type Segment<T> = { readonly atMs: number; readonly items: T[]; event: Cancel };
type Callback = (error: Error | null, message: Msg) => void;
export type Subscribed = { readonly subject: string; readonly queue: string | undefined; readonly callback: Callback };

const dialMs = 100;
/** What a connection that was cut had sent may still be read by the server, so late. */
const lateMsMax = 3_000;

export class SimConnection {
  readonly process: SimProcess;
  /** Counts connects: what was asked on an old one is not answered on a new one. */
  generation = 1;
  connected = true;
  #closed = false;
  readonly #ended = Promise.withResolvers<void>();
  readonly #clock: SimClock;
  readonly #chance: Chance;
  readonly #server: ServerSide;
  readonly #meddling: NatsMeddling;
  readonly #latency: { readonly baseMs: number; readonly jitterMs: number };
  readonly #subscriptions = new Set<Subscribed>();
  readonly #statuses: ((status: Status | undefined) => void)[] = [];
  readonly #out: Segment<Published>[] = [];
  readonly #in: Segment<Delivery>[] = [];

  constructor(
    process: SimProcess,
    parts: {
      readonly clock: SimClock;
      readonly chance: Chance;
      readonly server: ServerSide;
      readonly meddling: NatsMeddling;
    },
  ) {
    this.process = process;
    this.#clock = parts.clock;
    this.#chance = parts.chance;
    this.#server = parts.server;
    this.#meddling = parts.meddling;
    this.#latency = { baseMs: parts.chance.pick([0.05, 0.5, 5]), jitterMs: parts.chance.pick([0, 0.2, 5]) };
    process.onDeath(() => this.#lose(0.5));
  }

  /** What the adapter sees. */
  get client(): NatsConnection {
    const client = {
      info: { version: "2.14.9" },
      getServer: () => "sim:4222",
      isClosed: () => this.#closed,
      closed: () => this.#ended.promise,
      subscribe: (subject: string, { callback, queue }: { callback: Callback; queue?: string }) => {
        const subscribed = { subject, queue, callback };
        this.#subscriptions.add(subscribed);
        return { unsubscribe: () => this.#subscriptions.delete(subscribed) };
      },
      publish: (subject: string, data: Uint8Array, options: { reply?: string; headers?: { encode(): Uint8Array } }) =>
        this.#publish(subject, data, options),
      status: () => this.#status(),
      close: async () => this.#close(),
    };
    return client as unknown as NatsConnection;
  }

  #publish(
    subject: string,
    data: Uint8Array,
    { reply, headers }: { reply?: string; headers?: { encode(): Uint8Array } },
  ): void {
    if (this.#closed) throw new Error("The connection is closed");
    if (!this.connected) return;
    const fields = headers === undefined ? new Map<string, string>() : parseHeaders(headers.encode());
    const message = { subject, reply, fields, data };
    this.#carry(this.#out, this.#meddling.sends?.(message, this) ?? message, (one) => this.#server.receive(this, one));
  }

  /** Who subscribes to it here. */
  subscribedTo(subject: string): readonly Subscribed[] {
    if (!this.connected || this.#closed) return [];
    return [...this.#subscriptions].filter((one) => subjectMatches(one.subject, subject));
  }

  /** From the server to the gateway. */
  deliver(delivery: Delivery): void {
    if (!this.connected || this.#closed || this.#server.losesAnswer()) return;
    const heard = this.#meddling.hears?.(delivery, this) ?? delivery;
    this.#carry(this.#in, heard, (one) => this.#hand(one), this.process);
  }

  #hand({ to, only, subject, reply, headers, data }: Delivery): void {
    const subscribed = only ?? this.subscribedTo(to)[0];
    if (subscribed === undefined || !this.#subscriptions.has(subscribed)) return;
    subscribed.callback(null, { subject, reply, headers, data } as unknown as Msg);
  }

  /** In order, each segment after the one before it. */
  #carry<T>(segments: Segment<T>[], item: T, arrive: (item: T) => void, owner?: SimProcess): void {
    const last = segments[segments.length - 1];
    const atMs = Math.max(
      this.#clock.nowMs + this.#latency.baseMs + this.#chance.next() * this.#latency.jitterMs,
      last?.atMs ?? 0,
    );
    if (last !== undefined && last.atMs - this.#clock.nowMs >= this.#latency.baseMs) {
      last.items.push(item);
      return;
    }
    const segment: Segment<T> = { atMs, items: [item], event: { cancel: () => undefined } };
    const run = (): void => {
      segments.splice(segments.indexOf(segment), 1);
      for (const one of segment.items) arrive(one);
    };
    segment.event = this.#clock.after(atMs - this.#clock.nowMs, run, owner);
    segments.push(segment);
  }

  /** The connection breaks, and is made again as soon as the server lets it. */
  cut(): void {
    if (!this.connected || this.#closed) return;
    this.#lose(0.7);
    this.#tell({ type: "disconnect" });
    this.#dial();
  }

  /** A part of what is under way to the server, from the oldest on, is read by it all the same, perhaps late. */
  #lose(share: number): void {
    this.connected = false;
    this.generation++;
    for (const { event } of this.#in.splice(0)) event.cancel();
    const lateMs = this.#chance.hit(0.3) ? this.#chance.next() * lateMsMax : 0;
    let reached = true;
    for (const { event, items, atMs } of this.#out.splice(0)) {
      event.cancel();
      reached &&= this.#chance.hit(share);
      if (!reached) continue;
      this.#clock.after(atMs - this.#clock.nowMs + lateMs, () => {
        for (const item of items) this.#server.receive(this, item);
      });
    }
  }

  #dial(): void {
    this.#clock.after(
      dialMs + this.#chance.next() * dialMs,
      () => {
        if (this.#closed) return;
        if (!this.#server.open) return this.#dial();
        this.connected = true;
        this.#tell({ type: "reconnect" });
      },
      this.process,
    );
  }

  #tell(status: Status): void {
    this.#clock.after(0, () => this.#hear(status), this.process);
  }

  #hear(status: Status | undefined): void {
    for (const hear of [...this.#statuses]) hear(status);
  }

  async *#status(): AsyncGenerator<Status> {
    const queue: (Status | undefined)[] = [];
    let wake = (): void => undefined;
    this.#statuses.push((status) => {
      queue.push(status);
      wake();
    });
    for (;;) {
      if (queue.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      const status = queue.shift();
      if (status === undefined) return;
      yield status;
    }
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended.resolve();
    this.#hear(undefined);
    this.#lose(1);
  }
}
