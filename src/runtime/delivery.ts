/**
 * One subscription of one session on its way out: live (fed by the hub's fan-out) or behind (fed by its own reader).
 *
 * Owns: per lane, what the receiver acknowledged, what it was told, how far the log was read for it; and that
 * records in flight never pass its window. One record always may be in flight, or a record larger than the
 * window could never be delivered.
 * @module
 */

import type { LanePositions } from "../actors/session/state.ts";
import type { CodecName } from "../protocol/codec.ts";
import type { Deliver, DeliveredRecord, Qos, Window } from "../protocol/frame.ts";
import type { ChainId, Seq } from "../protocol/ids.ts";
import { type Lane, laneNames, lanes } from "../protocol/lane.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { Feed, LiveReceiver } from "./feed.ts";
import { InFlight, piecesOf } from "./in-flight.ts";
import type { ChainView } from "./inspection.ts";
import { Reader } from "./reader.ts";
import type { SendResult } from "./transport/transport.ts";

export class Delivery implements LiveReceiver {
  readonly feed: Feed;
  readonly qos: Qos;
  readonly conflates: boolean;
  readonly #options: DeliveryOptions;
  readonly #reader: Reader;
  readonly #inFlight = new InFlight();
  readonly #acked: Seq[];
  readonly #told: Seq[];
  /** How far it was told before it was rewound: what is still on its way may be acknowledged. */
  readonly #toldBefore: Seq[] = [0, 0, 0, 0];
  readonly #ackedRecords: number[] = [0, 0, 0, 0]; // the live lane's meter at the last acknowledgement
  readonly #ackedBytes: number[] = [0, 0, 0, 0];
  /** Last record that the reader sent. */
  readonly #newest: Seq[] = [0, 0, 0, 0];
  #window: Window;
  #mode: "live" | "behind" | "ended" = "behind";
  /** What is older was missed, and is no measure of how fast records arrive. */
  readonly #since: Seq;
  #liveSince: Seq = 0;
  /** Its socket was full when it fell behind: once it has drained, everything unacknowledged goes again. */
  #mayHaveMissed = false;
  #trimmedTo: Seq;
  limitRecords = Number.POSITIVE_INFINITY;
  limitBytes = Number.POSITIVE_INFINITY;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.qos = options.qos;
    this.conflates = options.qos === 0 && options.congestion === "conflate";
    this.#window = options.window;
    this.feed = options.hub.use(options.filter);
    this.#since = options.hub.position;
    this.#acked = [...options.positions];
    this.#trimmedTo = options.trimmedTo;
    this.#told = options.positions.map((seq) => Math.max(seq, options.trimmedTo));
    this.#reader = new Reader(this, options);
  }

  get mode(): "live" | "behind" | "ended" {
    return this.#mode;
  }
  get filter(): string {
    return this.feed.filter;
  }
  get codec(): CodecName {
    return this.#options.outlet.codec;
  }
  get window(): Window {
    return this.#window;
  }
  chain(lane: Lane): ChainId {
    return this.feed.chain(lane);
  }
  /** The receiver's `last` per lane when everything sent has arrived; live, the fan-out is further. */
  get told(): LanePositions {
    return this.#told as unknown as LanePositions;
  }
  acked(lane: Lane): Seq {
    return this.#acked[lane] as Seq;
  }
  settled(lane: Lane): Seq {
    return Math.max(this.#acked[lane] as Seq, this.#liveSince);
  }

  /** Begins to deliver. Everything sent from now on is after SUBSCRIBED. */
  start(): void {
    this.#reader.start(this.told, this.#options.lastOnlyUpTo);
    this.#reader.wake();
  }

  end(): void {
    if (this.#mode === "ended") return;
    this.#leaveFeed();
    this.#mode = "ended";
    this.#reader.stop();
    this.#options.hub.release(this.feed);
  }

  // --- sending, for the reader ---

  /** Room in the window, at least for one record when nothing is in flight. */
  room(): Window {
    if (this.qos === 0) return { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
    const { records, bytes } = this.#inFlight;
    if (records === 0) return { records: Math.max(1, this.#window.records), bytes: Math.max(1, this.#window.bytes) };
    return { records: this.#window.records - records, bytes: this.#window.bytes - bytes };
  }

  /**
   * May it be fed by the hub? Only with half of its window free: a receiver at the edge of its window would leave
   * the fan-out again at once, and again.
   */
  get mayTurnLive(): boolean {
    const { records, bytes } = this.#inFlight;
    return records * 2 <= this.#window.records && bytes * 2 <= this.#window.bytes;
  }

  /** Nothing is in flight: the next record may be sent whatever its size. */
  get empty(): boolean {
    return this.#inFlight.records === 0;
  }

  /** Sends records of one lane; false when the socket took nothing of it. */
  send(lane: Lane, records: readonly DeliveredRecord[], upTo: Seq): SendResult {
    const prev = this.#told[lane] as Seq;
    const last = records[records.length - 1]?.seq;
    const frame: Deliver = {
      type: "deliver",
      chain: this.chain(lane),
      prev,
      records,
      ...(last === upTo ? {} : { upTo }),
    };
    const result = this.#options.outlet.send(frame);
    if (result === "dropped") return result;
    this.#told[lane] = upTo;
    if (last !== undefined) this.#newest[lane] = last;
    if ((records[0]?.seq ?? 0) > this.#since) this.#options.delivered(records);
    if (this.qos > 0) for (const piece of piecesOf(records, this.#window)) this.#inFlight.push(lane, piece);
    return result;
  }

  /** The reader has sent everything up to the hub's position: from here on the hub feeds it. One synchronous step. */
  turnLive(): void {
    const { hub, outlet } = this.#options;
    // The first frame of the fan-out names the last record that the reader sent: if that was lost, it shows.
    for (const lane of lanes) this.feed.follows(lane, this.#newest[lane] as Seq);
    for (const lane of lanes) {
      if ((this.#told[lane] as Seq) < this.feed.prev(lane) && this.send(lane, [], hub.position) === "dropped") return;
    }
    for (const lane of lanes) {
      const meter = this.feed.meter(lane);
      this.#ackedRecords[lane] = meter.records;
      this.#ackedBytes[lane] = meter.bytes;
    }
    this.#mode = "live";
    this.#liveSince = hub.position;
    this.#setLimits();
    outlet.subscribe(this.feed.channel(outlet.codec));
    this.feed.join(this);
  }

  // --- live ---

  overrun(): void {
    this.#fallBehind();
  }

  checkCongestion(): void {
    if (!this.#reader.congested) return;
    this.#fallBehind();
    this.#reader.conflate();
  }

  /** Leaves the fan-out; its reader goes on where the fan-out ended. */
  #fallBehind(): void {
    if (this.#mode !== "live") return;
    // Native fan-out passes over a full socket without a word.
    const { outlet, bounds } = this.#options;
    this.#mayHaveMissed = this.qos > 0 && outlet.bufferedBytes() > bounds.deliverBytesMax;
    const read = this.#readUpTo();
    this.#carryInFlight();
    for (const lane of lanes) this.#told[lane] = this.#sentUpTo(lane);
    this.#leaveFeed();
    this.#mode = "behind";
    this.#reader.start(read as unknown as LanePositions, 0);
  }

  /** Per lane, everything matching up to here was sent; a lane without matches is as far as the others. */
  #readUpTo(): Seq[] {
    if (this.#mode !== "live") return this.#reader.sentUpTo();
    return lanes.map((lane) => Math.max(this.#sentUpTo(lane), this.#options.hub.position));
  }

  /**
   * What was fanned out and not acknowledged is in flight now, piece by piece as the feed's meter knows it: as one it
   * would give no room before all of it is acknowledged.
   */
  #carryInFlight(): void {
    if (this.qos === 0 || this.#mode !== "live") return;
    for (const lane of lanes) {
      const acked = { records: this.#ackedRecords[lane] as number, bytes: this.#ackedBytes[lane] as number };
      for (const piece of this.feed.meter(lane).since(acked)) this.#inFlight.push(lane, piece);
    }
  }

  #leaveFeed(): void {
    if (this.#mode !== "live") return;
    this.feed.leave(this);
    this.#options.outlet.unsubscribe(this.feed.channel(this.codec));
  }

  #setLimits(): void {
    if (this.qos === 0) return;
    const unacked = this.unacknowledged();
    this.limitRecords = this.feed.records - unacked.records + this.#window.records;
    this.limitBytes = this.feed.bytes - unacked.bytes + this.#window.bytes;
  }

  // --- what the receiver says ---

  /** Everything of the lane up to `seq` is processed. False: it was never sent that far. */
  ack(lane: Lane, seq: Seq): boolean {
    if (!this.wasSent(lane, seq)) return false;
    if (seq <= (this.#acked[lane] as Seq)) return true;
    this.#acked[lane] = seq;
    this.#inFlight.settle(lane, seq);
    if (this.#mode !== "live") {
      if (seq > (this.#told[lane] as Seq)) {
        this.#told[lane] = seq;
        this.#reader.skipTo(lane, seq);
      }
      this.#reader.wake();
      return true;
    }
    const meter = this.feed.meter(lane);
    const total = seq >= this.feed.prev(lane) ? meter : meter.at(seq);
    if (total !== undefined) {
      this.#ackedRecords[lane] = Math.max(this.#ackedRecords[lane] as number, total.records);
      this.#ackedBytes[lane] = Math.max(this.#ackedBytes[lane] as number, total.bytes);
    }
    this.#setLimits();
    return true;
  }

  #sentUpTo(lane: Lane): Seq {
    const told = this.#told[lane] as Seq;
    return this.#mode === "live" ? Math.max(told, this.feed.prev(lane)) : told;
  }

  /** Was this record sent on this lane, so that it may be NAKed? */
  wasSent(lane: Lane, seq: Seq): boolean {
    return seq <= Math.max(this.#sentUpTo(lane), this.#toldBefore[lane] as Seq);
  }

  setWindow(window: Window): void {
    this.#window = window;
    if (this.#mode === "live") {
      this.feed.leave(this);
      this.#setLimits();
      this.feed.join(this);
    } else {
      this.#reader.wake();
    }
  }

  /** Delivers again after these positions: a hole was reported, or nothing was acknowledged in time. */
  rewind(positions: ReadonlyMap<Lane, Seq>): void {
    const from = this.#readUpTo();
    this.#carryInFlight();
    for (const lane of lanes) this.#told[lane] = this.#sentUpTo(lane);
    this.#leaveFeed();
    this.#mode = "behind";
    for (const [lane, seq] of positions) {
      this.#toldBefore[lane] = Math.max(this.#toldBefore[lane] as Seq, this.#told[lane] as Seq);
      from[lane] = Math.max(seq, this.#acked[lane] as Seq, this.#trimmedTo);
      this.#told[lane] = from[lane] as Seq;
      this.#inFlight.takeBack(lane, from[lane] as Seq);
    }
    this.#reader.start(from as unknown as LanePositions, this.#options.lastOnlyUpTo);
  }

  rewindToAcknowledged(): void {
    this.rewind(new Map(lanes.map((lane) => [lane, this.#acked[lane] as Seq])));
  }

  /**
   * Retention took everything up to `seq`, sent or not: nothing of that is owed any more. The kept positions stay: if
   * the receiver is lost before it was told, it is told after its resume.
   */
  passTrimmed(seq: Seq): void {
    this.#trimmedTo = seq;
    for (const lane of lanes) {
      this.#toldBefore[lane] = Math.max(this.#toldBefore[lane] as Seq, seq);
      this.#inFlight.settle(lane, seq);
    }
    this.rewindToAcknowledged();
  }

  drained(): void {
    if (this.#mode !== "behind") return;
    if (!this.#mayHaveMissed) return this.#reader.wake();
    this.#mayHaveMissed = false;
    this.rewindToAcknowledged();
  }

  // --- what is known of it ---

  unacknowledged(): Window {
    let { records, bytes } = this.#inFlight;
    if (this.#mode === "live") {
      for (const lane of lanes) {
        const meter = this.feed.meter(lane);
        records += meter.records - (this.#ackedRecords[lane] as number);
        bytes += meter.bytes - (this.#ackedBytes[lane] as number);
      }
    }
    return { records, bytes };
  }

  /** For operators. */
  chains(): ChainView[] {
    return lanes.map((lane) => {
      const { records, bytes } = this.#inFlight.of(lane);
      const meter = this.feed.meter(lane);
      const live = this.#mode === "live" && this.qos > 0;
      return {
        lane: laneNames[lane],
        position: this.acked(lane),
        sent: this.#sentUpTo(lane),
        inFlightRecords: records + (live ? meter.records - (this.#ackedRecords[lane] as number) : 0),
        inFlightBytes: bytes + (live ? meter.bytes - (this.#ackedBytes[lane] as number) : 0),
      };
    });
  }

  /** Does anything wait for an acknowledgement? */
  get waiting(): boolean {
    if (this.qos === 0 || this.#mode === "ended") return false;
    for (const lane of lanes) if (this.#laneWaits(lane)) return true;
    return false;
  }

  #laneWaits(lane: Lane): boolean {
    if (this.#inFlight.has(lane)) return true;
    return this.#mode === "live" && this.feed.meter(lane).records > (this.#ackedRecords[lane] as number);
  }

  /**
   * Positions to keep. A lane on which nothing waits for an acknowledgement stands where the log was read to:
   * otherwise a lane that is never used would make every resume read from the beginning.
   */
  positions(): LanePositions {
    const read = this.#mode === "live" ? undefined : this.#reader.sentUpTo();
    const at = lanes.map((lane) => {
      const acked = this.#acked[lane] as Seq;
      if (this.#laneWaits(lane) || acked < this.#trimmedTo) return acked;
      return Math.max(acked, read === undefined ? this.#options.hub.position : (read[lane] as Seq));
    });
    return at as unknown as LanePositions;
  }

  /** Newest seq of each lane that it should have by now; for heads in PING and PONG. */
  heads(): { readonly chain: ChainId; readonly seq: Seq }[] {
    if (this.#mode !== "live") return [];
    return lanes
      .filter((lane) => this.feed.prev(lane) > 0)
      .map((lane) => ({ chain: this.chain(lane), seq: this.feed.prev(lane) }));
  }

  /** Sends one NAKed record again, outside the interval rule. */
  redeliver(record: DeliveredRecord, attempt: number): SendResult {
    return this.#options.outlet.send({
      type: "deliver",
      chain: this.chain(record.lane),
      prev: record.seq - 1,
      attempt,
      records: [record],
    });
  }
}
