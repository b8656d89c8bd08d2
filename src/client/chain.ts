/**
 * What a subscriber knows of one chain: received up to `last`, processed up to `processed`, and the records between.
 *
 * Pure: `receive()` of the protocol decides what is taken. Owns: a record is handed out once, in order; `processed`
 * covers only what is processed (or given back with NAK), without a gap.
 * @module
 */
import { type ChainInfo, type Deliver, type DeliveredRecord, recordBytes } from "../protocol/frame.ts";
import type { ChainId, LogEpoch, Seq } from "../protocol/ids.ts";
import type { Lane } from "../protocol/lane.ts";
import { receive } from "../protocol/position.ts";

export type Item = {
  readonly chain: Chain;
  readonly record: DeliveredRecord;
  readonly bytes: number;
  /** Number of this try, from 1. */
  readonly attempt: number;
  /**
   * How it came: in its turn, again after NAK (acknowledged alone), or again because an interval that holds it was
   * repeated (the position covers it).
   */
  readonly via: "turn" | "redelivery" | "repeat";
  /** Of the chain when it came; an item of a log that was made anew since is nobody's any more. */
  readonly generation: number;
  /** Settled for the position; `inTransaction` waits for COMMITTED. */
  state: "open" | "inTransaction" | "settled";
};

const unstored = -1;
const compactFrom = 1_024;

export class Chain {
  readonly lane: Lane;
  /** On this connection; absent while not bound. */
  id: ChainId | undefined;
  epoch: LogEpoch = "";
  last: Seq = 0;
  processed: Seq = 0;
  /** Durable in the store, where there is one. */
  stored: Seq = 0;
  /** Newest position that this connection has delivered: an ACK must not pass it. */
  seenHere: Seq = 0;
  ackedHere: Seq = 0;
  holeAsked = false;
  /** Whether a position is known at all. */
  known = false;
  generation = 0;
  /** Received and not settled: what the window bounds. */
  waitingRecords = 0;
  waitingBytes = 0;
  /** Positions count only when the store holds them. */
  readonly #storing: boolean;
  #items: (Item | undefined)[] = [];
  #head = 0;
  #handOut = 0;

  constructor(lane: Lane, storing: boolean) {
    this.lane = lane;
    this.#storing = storing;
  }

  /** Starts from a position that was processed in an earlier run. */
  restore(epoch: LogEpoch, seq: Seq): void {
    this.epoch = epoch;
    this.last = this.processed = this.stored = seq;
    this.known = true;
  }

  /**
   * SUBSCRIBED on a new connection. What was received and not yet processed stays, and so what the gateway sends
   * again of it is seen; unless the answer says that our positions mean nothing in this log.
   */
  bind(info: ChainInfo, epoch: LogEpoch, start: "keep" | "anew"): void {
    this.id = info.chain;
    this.seenHere = this.ackedHere = info.last;
    this.holeAsked = false;
    if (start === "anew" || this.epoch !== epoch) {
      this.#items = [];
      this.#head = this.#handOut = 0;
      this.waitingRecords = this.waitingBytes = 0;
      this.generation += 1;
      this.epoch = epoch;
      this.last = this.processed = info.last;
      this.stored = unstored; // Where it begins must be stored too: a lane without a position could lose records.
    } else if (info.last > this.last) {
      this.last = info.last;
      this.#advance();
    }
    this.known = true;
  }

  unbind(): void {
    this.id = undefined;
  }

  /** Nothing received waits for being processed. */
  get idle(): boolean {
    return this.processed === this.last;
  }
  /** What may be acknowledged now. */
  get ackable(): Seq {
    return Math.min(this.#storing ? this.stored : this.processed, this.seenHere);
  }

  /** QoS 0 accepts a hole: answers `skipped` for the caller to count. */
  accept(frame: Deliver, qos: number): { verdict: "seen" | "accept" | "hole" | "skipped"; items: Item[] } {
    const upTo = frame.upTo ?? frame.records.at(-1)?.seq ?? frame.prev;
    const verdict = receive(this.last, { prev: frame.prev, upTo });
    if (verdict === "seen") this.seenHere = Math.max(this.seenHere, upTo);
    if (verdict === "seen" || (verdict === "hole" && qos > 0)) return { verdict, items: [] };
    const items: Item[] = [];
    for (const record of frame.records) {
      if (record.seq <= this.last) continue;
      items.push(this.item(record, 1, "turn"));
    }
    for (const item of items) {
      this.#items.push(item);
      this.waitingRecords += 1;
      this.waitingBytes += item.bytes;
    }
    this.last = upTo;
    this.seenHere = Math.max(this.seenHere, upTo);
    this.holeAsked = false;
    this.#advance();
    return { verdict: verdict === "hole" ? "skipped" : "accept", items };
  }

  /** The next record to process. */
  take(): Item | undefined {
    const item = this.#items[this.#handOut];
    if (item !== undefined) this.#handOut += 1;
    return item;
  }

  /** The item was processed, or given back. False: it is no item of this chain any more. */
  settle(item: Item): boolean {
    item.state = "settled";
    if (item.generation !== this.generation) return false;
    if (item.via !== "turn") return true;
    this.waitingRecords -= 1;
    this.waitingBytes -= item.bytes;
    this.#advance();
    return true;
  }

  /** A receiver that is full lets records of QoS 0 pass by. */
  skipTo(upTo: Seq): void {
    this.last = Math.max(this.last, upTo);
    this.#advance();
  }

  item(record: DeliveredRecord, attempt: number, via: Item["via"]): Item {
    return {
      chain: this,
      record,
      bytes: recordBytes(record),
      attempt,
      via,
      generation: this.generation,
      state: "open",
    };
  }

  /** The position that acknowledging these records would give, or `undefined` when an unsettled one lies before them. */
  positionWith(items: ReadonlySet<Item>): Seq | undefined {
    let seq: Seq | undefined;
    let found = 0;
    for (let at = this.#head; at < this.#items.length; at++) {
      const item = this.#items[at] as Item;
      if (items.has(item)) {
        found += 1;
        seq = item.record.seq;
      } else if (item.state !== "settled") break;
    }
    return found === items.size ? seq : undefined;
  }

  #advance(): void {
    while (this.#head < this.#items.length) {
      const item = this.#items[this.#head] as Item;
      if (item.state !== "settled") break;
      this.processed = Math.max(this.processed, item.record.seq);
      this.#items[this.#head++] = undefined;
    }
    if (this.#head === this.#items.length) {
      this.processed = this.last;
      this.#items = [];
      this.#head = this.#handOut = 0;
    } else if (this.#head > compactFrom && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#handOut -= this.#head;
      this.#head = 0;
    }
  }
}
