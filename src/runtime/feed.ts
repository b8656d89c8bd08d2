/**
 * Fan-out of one filter: what matches is encoded once per codec and published natively to all who are live.
 *
 * Owns: nobody is sent past its window. That is a comparison with the smallest limit per frame; only when a frame
 * would pass it are receivers looked at one by one, and those whose window is full fall behind.
 * Nothing is allocated per receiver.
 * @module
 */

import type { Codec, CodecName } from "../protocol/codec.ts";
import { type Deliver, type Qos, recordBytes } from "../protocol/frame.ts";
import type { ChainId, Seq } from "../protocol/ids.ts";
import { type Lane, lanes } from "../protocol/lane.ts";
import { chainOf } from "./chain-id.ts";
import { ChainMeter } from "./chain-meter.ts";
import { piecesOf } from "./in-flight.ts";
import type { LogRecord } from "./log/event-log.ts";

export type LiveReceiver = {
  readonly qos: Qos;
  readonly codec: CodecName;
  /** Totals of the feed up to which it may be sent. Infinity at QoS 0. */
  readonly limitRecords: number;
  readonly limitBytes: number;
  /** Acknowledged seq of a lane, or where it turned live. */
  settled(lane: Lane): Seq;
  /** Its window is full: it must leave the feed before the call returns. */
  overrun(): void;
  /** QoS 0 with conflation: asked before each frame; it leaves the feed when its socket is congested. */
  readonly conflates: boolean;
  checkCongestion(): void;
};

export type FeedOutput = {
  readonly codecs: Readonly<Record<CodecName, Codec>>;
  publish(channel: string, data: Uint8Array | string): void;
  /** A frame of these records and so many encoded bytes went to so many receivers. */
  sent(records: readonly LogRecord[], bytes: number, receivers: number): void;
};

export type FrameBounds = { readonly deliverRecordsMax: number; readonly deliverBytesMax: number };
const meterCapacityMax = 8_192;

export class Feed {
  readonly filter: string;
  readonly id: number;
  readonly #output: FeedOutput;
  readonly #bounds: FrameBounds;
  readonly #live = new Set<LiveReceiver>();
  /** Who only wants to hear that there is something; undefined: nobody ever did. */
  watchers: Set<() => void> | undefined;
  readonly #byCodec: Record<CodecName, number> = { msgpack: 0, protobuf: 0, json: 0 };
  readonly #meters = lanes.map(() => new ChainMeter(meterCapacityMax));
  readonly #waiting: LogRecord[][] = lanes.map(() => []);
  readonly #prev: Seq[] = lanes.map(() => 0);
  #limitRecords = Number.POSITIVE_INFINITY;
  #limitBytes = Number.POSITIVE_INFINITY;
  #conflating = 0;
  records = 0;
  bytes = 0;

  constructor(filter: string, id: number, output: FeedOutput, bounds: FrameBounds) {
    this.filter = filter;
    this.id = id;
    this.#output = output;
    this.#bounds = bounds;
  }

  get liveCount(): number {
    return this.#live.size;
  }
  get liveReceivers(): ReadonlySet<LiveReceiver> {
    return this.#live;
  }
  chain(lane: Lane): ChainId {
    return chainOf(this.id, lane);
  }
  meter(lane: Lane): ChainMeter {
    return this.#meters[lane] as ChainMeter;
  }
  /** A record of the lane that every live receiver was sent before the next frame. */
  follows(lane: Lane, seq: Seq): void {
    this.#prev[lane] = Math.max(this.#prev[lane] as Seq, seq);
  }
  /** Seq of the last record known to have been sent on the lane; 0: none yet. */
  prev(lane: Lane): Seq {
    return this.#prev[lane] as Seq;
  }
  channel(codec: CodecName): string {
    return `${this.id}:${codec}`;
  }

  join(receiver: LiveReceiver): void {
    this.#live.add(receiver);
    this.#byCodec[receiver.codec]++;
    if (receiver.conflates) this.#conflating++;
    this.#limitRecords = Math.min(this.#limitRecords, receiver.limitRecords);
    this.#limitBytes = Math.min(this.#limitBytes, receiver.limitBytes);
  }

  leave(receiver: LiveReceiver): void {
    if (!this.#live.delete(receiver)) return;
    this.#byCodec[receiver.codec]--;
    if (receiver.conflates) this.#conflating--;
  }

  /** All who may miss nothing leave it. */
  fallBehind(): void {
    for (const receiver of this.#live) if (receiver.qos > 0) receiver.overrun();
  }

  push(record: LogRecord): void {
    this.#waiting[record.lane]?.push(record);
  }

  /** Sends what was pushed since the last call, higher lanes first. */
  flush(): void {
    for (const lane of lanes) {
      const waiting = this.#waiting[lane] as LogRecord[];
      if (waiting.length === 0) continue;
      let from = 0;
      while (from < waiting.length) from = this.#emitFrom(lane, waiting, from);
      waiting.length = 0;
    }
  }

  #emitFrom(lane: Lane, waiting: readonly LogRecord[], from: number): number {
    let to = from;
    let bytes = 0;
    while (to < waiting.length && to - from < this.#bounds.deliverRecordsMax) {
      const size = recordBytes(waiting[to] as LogRecord);
      if (to > from && bytes + size > this.#bounds.deliverBytesMax) break;
      bytes += size;
      to++;
    }
    const records = from === 0 && to === waiting.length ? waiting : waiting.slice(from, to);
    this.#emit(lane, records, bytes);
    return to;
  }

  #emit(lane: Lane, records: readonly LogRecord[], bytes: number): void {
    if (this.records + records.length > this.#limitRecords || this.bytes + bytes > this.#limitBytes)
      this.#enforce(records.length, bytes);
    if (this.#conflating > 0) for (const receiver of this.#live) if (receiver.conflates) receiver.checkCongestion();
    const last = (records[records.length - 1] as LogRecord).seq;
    const frame: Deliver = { type: "deliver", chain: this.chain(lane), prev: this.#prev[lane] as Seq, records };
    for (const name in this.#byCodec) {
      const codec = name as CodecName;
      const receivers = this.#byCodec[codec];
      if (receivers === 0) continue;
      const data = this.#output.codecs[codec].encode(frame);
      this.#output.publish(this.channel(codec), data);
      this.#output.sent(records, data.length, receivers);
    }
    this.#prev[lane] = last;
    this.records += records.length;
    this.bytes += bytes;
    // A frame is within every live window, so a sixteenth of it is a small share of each.
    const floor = () => this.#floor(lane);
    const whole = { records: records.length, bytes };
    if (records.length === 1) this.meter(lane).push(last, whole, floor);
    else for (const piece of piecesOf(records, whole)) this.meter(lane).push(piece.upTo, piece, floor);
  }

  #enforce(records: number, bytes: number): void {
    this.#limitRecords = Number.POSITIVE_INFINITY;
    this.#limitBytes = Number.POSITIVE_INFINITY;
    for (const receiver of this.#live) {
      if (this.records + records > receiver.limitRecords || this.bytes + bytes > receiver.limitBytes) {
        receiver.overrun();
      } else {
        this.#limitRecords = Math.min(this.#limitRecords, receiver.limitRecords);
        this.#limitBytes = Math.min(this.#limitBytes, receiver.limitBytes);
      }
    }
  }

  #floor(lane: Lane): Seq {
    let floor = Number.POSITIVE_INFINITY;
    for (const receiver of this.#live) if (receiver.qos > 0) floor = Math.min(floor, receiver.settled(lane));
    return floor;
  }
}
