/**
 * Pages through the log for one subscription that is behind, as fast as its window and its socket allow, and
 * turns it live when it has reached the hub.
 *
 * Looks a bounded stretch ahead and sends higher lanes first. Keeps no page while it waits: what was not sent
 * is read again, so a slow receiver costs no memory.
 * @module
 */

import type { LanePositions } from "../actors/session/state.ts";
import { type DeliveredRecord, recordBytes } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import { type Lane, lanes } from "../protocol/lane.ts";
import type { Delivery } from "./delivery.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import type { LogRecord, ReadPage } from "./log/event-log.ts";

/** What a subscription that conflates lets wait for its socket: what waits there cannot be made newer any more. */
const conflateAtBytes = 65_536;

export class Reader {
  readonly #delivery: Delivery;
  readonly #options: DeliveryOptions;
  /** Per lane: everything matching up to here was sent. */
  #sent: Seq[] = [0, 0, 0, 0];
  #lastOnlyUpTo: Seq = 0;
  #running = false;
  #busy = false;
  /** Woken while busy: look again before resting. */
  #wanted = false;
  /** Counts starts, so that a page read for an older position is thrown away. */
  #generation = 0;

  constructor(delivery: Delivery, options: DeliveryOptions) {
    this.#delivery = delivery;
    this.#options = options;
  }

  start(positions: LanePositions, lastOnlyUpTo: Seq): void {
    this.#generation++;
    this.#sent = [...positions];
    this.#lastOnlyUpTo = lastOnlyUpTo;
    this.#running = true;
    // Never inside the hub's fan-out: its position is not yet moved there.
    void Promise.resolve().then(() => this.wake());
  }

  /** Deliver only the newest of each topic until it is live again. */
  conflate(): void {
    this.#lastOnlyUpTo = Number.MAX_SAFE_INTEGER;
  }

  /** So much waits for the socket that nothing more is sent before it drains. */
  get congested(): boolean {
    const { outlet, bounds } = this.#options;
    return outlet.bufferedBytes() >= (this.#delivery.conflates ? conflateAtBytes : bounds.deliverBytesMax);
  }

  stop(): void {
    this.#running = false;
    this.#generation++;
  }

  sentUpTo(): Seq[] {
    return [...this.#sent];
  }

  /** The receiver has the lane up to here. */
  skipTo(lane: Lane, seq: Seq): void {
    this.#sent[lane] = Math.max(this.#sent[lane] as Seq, seq);
  }

  /** Room was made, the socket drained, or it has just begun. */
  wake(): void {
    this.#wanted = true;
    if (this.#busy) return;
    this.#busy = true;
    void this.#runWhileWanted().catch(this.#options.readFailed);
  }

  async #runWhileWanted(): Promise<void> {
    try {
      while (this.#wanted) {
        this.#wanted = false;
        await this.#run();
      }
    } finally {
      this.#busy = false;
    }
  }

  async #run(): Promise<void> {
    while (this.#running && this.#hasRoom()) {
      const generation = this.#generation;
      const after = Math.min(...this.#sent);
      if (after >= this.#options.hub.position) return this.#turnLive();
      const page = this.#nearHead(after) ?? (await this.#readLog(after));
      // Read for an older start: what it was for is over.
      if (generation === this.#generation && !this.#sendPage(page)) return;
    }
  }

  #turnLive(): void {
    if (!this.#delivery.mayTurnLive) return; // acknowledgements will wake it
    this.#running = false;
    this.#delivery.turnLive();
    // The socket took nothing: try again when it has drained.
    if (this.#delivery.mode === "behind") this.#running = true;
  }

  /** Worth a page: for each sliver of the window that an acknowledgement frees, the log would be read again. */
  #hasRoom(): boolean {
    if (this.congested) return false;
    const room = this.#delivery.room();
    if (this.#delivery.empty) return true;
    const { bounds } = this.#options;
    const { records, bytes } = this.#delivery.window;
    return room.records * 4 >= records && room.bytes >= Math.min(bytes / 4, bounds.deliverBytesMax);
  }

  #pageBounds(): { readonly records: number; readonly bytes: number } {
    const { deliverBytesMax, lookaheadRecords } = this.#options.bounds;
    const room = this.#delivery.room();
    return { records: lookaheadRecords, bytes: Math.min(deliverBytesMax, Math.max(room.bytes * 2, 16_384)) };
  }

  #nearHead(after: Seq): ReadPage | undefined {
    if (after < this.#lastOnlyUpTo || !this.#options.hub.recent.covers(after)) return undefined;
    this.#options.hub.pages.ring++;
    return this.#options.hub.recent.read(this.#options.filter, after, this.#pageBounds());
  }

  async #readLog(after: Seq): Promise<ReadPage> {
    const generation = this.#generation;
    this.#options.hub.pages.log++;
    const page = await this.#readPage(after);
    // Retention may have passed by: what the page lacks then is told, and not skipped.
    const { log, qos } = this.#options;
    if (qos > 0 && generation === this.#generation && log.info().firstSeq > after + 1) this.#options.trimmed();
    return page;
  }

  async #readPage(after: Seq): Promise<ReadPage> {
    const { hub, filter } = this.#options;
    const generation = this.#generation;
    const until = hub.position;
    if (after < this.#lastOnlyUpTo) return this.#readLast(after, Math.min(until, this.#lastOnlyUpTo));
    const { records, bytes } = this.#pageBounds();
    const isWanted = () => generation === this.#generation;
    return hub.scan.read({ filter, after, until, recordsMax: records, bytesMax: bytes, isWanted });
  }

  async #readLast(after: Seq, until: Seq): Promise<ReadPage> {
    const max = this.#options.bounds.lookaheadRecords;
    const newest = await this.#options.log.lastPerTopic(this.#options.filter, after, max);
    const records = newest.filter((record) => record.seq <= until);
    const full = newest.length === max;
    const scannedTo = full ? (newest[newest.length - 1] as LogRecord).seq : until;
    if (!full && until === this.#lastOnlyUpTo) this.#lastOnlyUpTo = 0;
    return { records, scannedTo: Math.min(scannedTo, until), done: !full };
  }

  /** False: the window or the socket is full; what is left is read again later. */
  #sendPage(page: ReadPage): boolean {
    let all = true;
    for (const lane of lanes) {
      if ((this.#sent[lane] as Seq) >= page.scannedTo) continue;
      const records = page.records.filter((record) => record.lane === lane && record.seq > (this.#sent[lane] as Seq));
      all = all && this.#sendLane(lane, records, page.scannedTo);
      if (all) this.#sent[lane] = page.scannedTo;
      else this.#passOver(lane, records, page.scannedTo);
    }
    return all;
  }

  /** What is left of the page is read again later: only from the lane's first record that was not sent. */
  #passOver(lane: Lane, records: readonly LogRecord[], scannedTo: Seq): void {
    const sent = this.#sent[lane] as Seq;
    const unsent = records.find((record) => record.seq > sent);
    this.#sent[lane] = unsent === undefined ? scannedTo : Math.max(sent, unsent.seq - 1);
  }

  #sendLane(lane: Lane, records: readonly LogRecord[], scannedTo: Seq): boolean {
    let from = 0;
    while (from < records.length) {
      const to = this.#frameEnd(records, from);
      if (to === from) return false;
      const upTo = to === records.length ? scannedTo : (records[to - 1] as LogRecord).seq;
      const result = this.#delivery.send(lane, records.slice(from, to), upTo);
      if (result === "dropped") return false;
      this.#sent[lane] = upTo;
      from = to;
      if (result === "congested") return from === records.length;
    }
    return true;
  }

  /** Exclusive end of a frame that fits in the window and the bounds of a frame. */
  #frameEnd(records: readonly DeliveredRecord[], from: number): number {
    const { deliverRecordsMax, deliverBytesMax } = this.#options.bounds;
    const room = this.#delivery.room();
    let bytes = 0;
    let to = from;
    while (to < records.length && to - from < Math.min(deliverRecordsMax, room.records)) {
      const size = recordBytes(records[to] as DeliveredRecord);
      if (to > from ? bytes + size > Math.min(deliverBytesMax, room.bytes) : size > room.bytes && !this.#delivery.empty)
        break;
      bytes += size;
      to++;
    }
    return to;
  }
}
