/**
 * A delivered record as the application sees it.
 * @module
 */
import type { DeliveredRecord, Headers } from "../protocol/frame.ts";
import type { EpochMs, Seq } from "../protocol/ids.ts";
import type { Lane } from "../protocol/lane.ts";
import type { Item } from "./chain.ts";
import type { ProcessedPosition } from "./options.ts";

export type NakOptions = {
  /** Until it comes again; absent: the gateway's exponential backoff. */
  readonly delayMs?: number;
  /** For operators, and for the dead-letter record. */
  readonly reason?: string;
};
export type Settle = (item: Item, outcome: "ack" | NakOptions) => void;

const utf8 = new TextDecoder();
const noHeaders: Headers = {};
const items = new WeakMap<ReceivedRecord, Item>();

/** The item behind a record: for the SDK's own transactions. */
export function itemOf(record: ReceivedRecord): Item | undefined {
  return items.get(record);
}

/** A record of history: the same, without a subscription behind it. */
export class HistoryRecord {
  protected readonly delivered: DeliveredRecord;
  constructor(delivered: DeliveredRecord) {
    this.delivered = delivered;
  }
  get topic(): string {
    return this.delivered.topic;
  }
  get seq(): Seq {
    return this.delivered.seq;
  }
  /** When the log took it. */
  get time(): EpochMs {
    return this.delivered.time;
  }
  /** `<session>/<n>`, or `<session>/tx/<tx>/<i>` in a transaction. */
  get id(): string {
    return this.delivered.id;
  }
  get lane(): Lane {
    return this.delivered.lane;
  }
  get headers(): Headers {
    return this.delivered.headers ?? noHeaders;
  }
  /** The bytes that were published; yours to keep. */
  get payload(): Uint8Array {
    return this.delivered.payload;
  }
  text(): string {
    return utf8.decode(this.delivered.payload);
  }
  /** Throws SyntaxError when the payload is no JSON. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

export class ReceivedRecord extends HistoryRecord {
  readonly #item: Item;
  readonly #settle: Settle;

  constructor(item: Item, settle: Settle) {
    super(item.record);
    this.#item = item;
    this.#settle = settle;
    items.set(this, item);
  }
  /** Number of this try, from 1. */
  get attempt(): number {
    return this.#item.attempt;
  }
  /**
   * Store it in one transaction with what processing this record changed, and give it back as `processed` when
   * subscribing again. Not moved by a redelivery (`attempt` above 1).
   */
  get position(): ProcessedPosition {
    return { epoch: this.#item.chain.epoch, lane: this.#item.record.lane, seq: this.#item.record.seq };
  }
  /** Processed. Needed only with `autoAck: false`; a second settling of the same record does nothing. */
  ack(): void {
    this.#settle(this.#item, "ack");
  }
  /** Not processed: the gateway delivers it again later, or dead-letters it after `maxDeliver` tries. */
  nak(options: NakOptions = {}): void {
    this.#settle(this.#item, options);
  }
}
