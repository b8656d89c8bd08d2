/**
 * A hub over the memory log, and receivers that live by the receiver's rule behind sockets that congest, drop and
 * are skipped by the native fan-out as told. What is on its way is kept in order, both ways, until it is handed over.
 * @module
 */
import { expect } from "bun:test";
import type { Codec } from "../../src/protocol/codec.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import { type Deliver, type Frame, type Qos, recordBytes, type Window } from "../../src/protocol/frame.ts";
import type { LogEpoch, Seq } from "../../src/protocol/ids.ts";
import { type Lane, lanes } from "../../src/protocol/lane.ts";
import { limits } from "../../src/protocol/limits.ts";
import { receive } from "../../src/protocol/position.ts";
import { laneOfChain } from "../../src/runtime/chain-id.ts";
import { Delivery } from "../../src/runtime/delivery.ts";
import type { DeliveryBounds } from "../../src/runtime/delivery-options.ts";
import { Hub } from "../../src/runtime/hub.ts";
import type { EventLog, LogRecord, NewRecord } from "../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../src/runtime/log/memory.ts";
import type { SendResult } from "../../src/runtime/transport/transport.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** What a socket does with the next sends and native publishes; at the end of the list it is well. */
export type SocketScript = { readonly sends: readonly SendResult[]; readonly skips: readonly boolean[] };
export type ReceiverOptions = {
  readonly filter: string;
  readonly qos: Qos;
  readonly window: Window;
  readonly socket: SocketScript;
};
export type WorldOptions = {
  readonly bounds: DeliveryBounds;
  readonly recentRecords: number;
  readonly readOverhead: number;
};

type Word = { readonly kind: "ack" | "hole"; readonly lane: Lane; readonly seq: Seq };

export class DeliveryWorld {
  readonly clock = new ManualClock();
  readonly log: EventLog;
  readonly hub: Hub;
  readonly bounds: DeliveryBounds;
  readonly receivers: Receiver[] = [];
  #appended = 0;

  constructor({ bounds, recentRecords, readOverhead }: WorldOptions) {
    this.log = openMemoryLog({ clock: this.clock, epoch: "e" as LogEpoch, readOverhead });
    this.bounds = bounds;
    this.hub = new Hub(this.log, {
      clock: this.clock,
      output: {
        codecs,
        publish: (channel, data) => {
          for (const receiver of this.receivers) receiver.published(channel, data);
        },
        sent: () => undefined,
      },
      frame: bounds,
      look: () => undefined,
      recent: { recordsMax: recentRecords, bytesMax: limits.frameBytesMax },
    });
    this.hub.start();
  }

  join(options: ReceiverOptions): Receiver {
    const receiver = new Receiver(this, options);
    this.receivers.push(receiver);
    receiver.delivery.start();
    return receiver;
  }

  /** Appended now, durable when the clock moves. */
  append(records: readonly Pick<NewRecord, "topic" | "lane" | "payload">[]): void {
    void this.log.append({ records: records.map((record) => ({ ...record, id: `p/${++this.#appended}` })) });
  }

  /** Everything that can happen without time has happened. */
  async settle(): Promise<void> {
    this.clock.advance(1);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Every record of the log that the filter matches. */
  async held(filter: string): Promise<readonly LogRecord[]> {
    return (await this.log.read({ filter, after: 0, recordsMax: 1_000_000, bytesMax: 1_000_000_000 })).records;
  }
}

export class Receiver {
  readonly delivery: Delivery;
  readonly options: ReceiverOptions;
  /** What it accepted by the rule, per lane. */
  readonly accepted: Seq[][] = lanes.map(() => []);
  readonly #last: Seq[] = lanes.map(() => 0);
  readonly #codec: Codec = codecs.msgpack;
  readonly #channels = new Set<string>();
  readonly #sends: SendResult[];
  readonly #skips: boolean[];
  #arriving: Deliver[] = [];
  #said: Word[] = [];
  #congested = false;
  /** It left the fan-out while its socket was full: when that drains, the gateway sends again what it may have missed. */
  #leftCongested = false;
  /** Records sent and not acknowledged, as whoever counts frames at the socket sees it. */
  readonly #outstanding = lanes.map(() => new Map<Seq, number>());
  #window: Window;

  constructor(world: DeliveryWorld, options: ReceiverOptions) {
    this.options = options;
    this.#window = options.window;
    this.#sends = [...options.socket.sends];
    this.#skips = [...options.socket.skips];
    this.delivery = new Delivery({
      hub: world.hub,
      log: world.log,
      outlet: {
        codec: "msgpack",
        send: (frame) => this.#send(frame),
        subscribe: (channel) => this.#channels.add(channel),
        unsubscribe: (channel) => {
          this.#channels.delete(channel);
          if (this.#congested) this.#leftCongested = true;
        },
        bufferedBytes: () => (this.#congested ? world.bounds.deliverBytesMax + 1 : 0),
      },
      bounds: world.bounds,
      filter: options.filter,
      qos: options.qos,
      window: options.window,
      congestion: "skip",
      positions: [0, 0, 0, 0],
      trimmedTo: 0,
      lastOnlyUpTo: 0,
      delivered: () => undefined,
      trimmed: () => expect.unreachable("nothing is trimmed here"),
      readFailed: (error) => {
        throw error;
      },
    });
  }

  // --- the socket ---

  #send(frame: Frame): SendResult {
    const result = this.#sends.shift() ?? "sent";
    if (result !== "sent") this.#congested = true;
    if (result !== "dropped") this.#arrives(frame as Deliver, false);
    return result;
  }

  published(channel: string, data: Uint8Array | string): void {
    if (!this.#channels.has(channel)) return;
    const decoded = this.#codec.decode(data, limits);
    if (!decoded.ok) throw new Error(`The hub published what does not decode: ${decoded.message}`);
    this.#arrives(decoded.frame as Deliver, this.#skips.shift() ?? false);
  }

  #arrives(frame: Deliver, skipped: boolean): void {
    const before = this.outstanding();
    const of = this.#outstanding[laneOfChain(frame.chain)] as Map<Seq, number>;
    for (const record of frame.records) of.set(record.seq, recordBytes(record));
    const { records, bytes } = this.outstanding();
    if (frame.records.length > 0 && (before.records > 0 || frame.records.length > 1)) {
      expect(records).toBeLessThanOrEqual(this.#window.records);
      expect(bytes).toBeLessThanOrEqual(this.#window.bytes);
    }
    if (!skipped) this.#arriving.push(frame);
  }

  outstanding(): Window {
    let [records, bytes] = [0, 0];
    for (const of of this.#outstanding) {
      records += of.size;
      for (const size of of.values()) bytes += size;
    }
    return { records, bytes };
  }

  /** The socket took everything. */
  drain(): void {
    this.#congested = false;
    if (this.#leftCongested && this.delivery.mode === "behind") {
      this.#leftCongested = false;
      for (const lane of lanes) this.#takeBack(lane, this.delivery.acked(lane));
    }
    this.delivery.drained();
  }

  /** The socket is well from now on. */
  heal(): void {
    this.#sends.length = 0;
    this.#skips.length = 0;
    this.drain();
  }

  // --- the receiver ---

  get busy(): boolean {
    return this.#arriving.length > 0 || this.#said.length > 0;
  }

  /** So many frames arrive; a hole is reported, as the SDK does. */
  take(count: number): void {
    for (const frame of this.#arriving.splice(0, count)) {
      const lane = laneOfChain(frame.chain);
      const last = this.#last[lane] as Seq;
      const upTo = frame.upTo ?? (frame.records.at(-1)?.seq as Seq);
      const verdict = receive(last, { prev: frame.prev, upTo });
      if (verdict === "hole") this.#said.push({ kind: "hole", lane, seq: last });
      if (verdict !== "accept") continue;
      for (const { seq } of frame.records) if (seq > last) (this.accepted[lane] as Seq[]).push(seq);
      this.#last[lane] = upTo;
    }
  }

  /** Acknowledges what it has of a lane. */
  acknowledge(lane: Lane): void {
    this.#said.push({ kind: "ack", lane, seq: this.#last[lane] as Seq });
  }

  /** The gateway hears so many of its words. */
  hear(count: number): void {
    for (const { kind, lane, seq } of this.#said.splice(0, count)) {
      if (kind === "hole") {
        this.#takeBack(lane, Math.max(seq, this.delivery.acked(lane)));
        this.delivery.rewind(new Map([[lane, seq]]));
      } else {
        // Before the call: what is acknowledged makes room within it.
        this.#settled(lane, seq);
        expect(this.delivery.ack(lane, seq)).toBe(true);
      }
    }
  }

  resize(window: Window): void {
    this.#window = window;
    this.delivery.setWindow(window);
  }

  /** The ack wait is over. */
  deliverAgain(): void {
    for (const lane of lanes) this.#takeBack(lane, this.delivery.acked(lane));
    this.delivery.rewindToAcknowledged();
  }

  #settled(lane: Lane, upTo: Seq): void {
    const of = this.#outstanding[lane] as Map<Seq, number>;
    for (const seq of of.keys()) if (seq <= upTo) of.delete(seq);
  }

  #takeBack(lane: Lane, after: Seq): void {
    const of = this.#outstanding[lane] as Map<Seq, number>;
    for (const seq of of.keys()) if (seq > after) of.delete(seq);
  }
}
