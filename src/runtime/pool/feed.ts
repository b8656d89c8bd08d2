/**
 * Reads the records of a pool's topics from a position on, as many as its coordinator has room for and no more.
 *
 * Owns: everything that matches up to `scannedTo` was handed over, each record once, in order of the log; what retention
 * took is said.
 * @module
 */
import type { Work } from "../../actors/pool/slot.ts";
import { recordBytes } from "../../protocol/frame.ts";
import type { Seq } from "../../protocol/ids.ts";
import type { LogRecord, ReadPage } from "../log/event-log.ts";
import type { Timer } from "../ports.ts";
import type { Services } from "../services.ts";

export type FeedEvents = {
  /** How many records can be taken now. */
  room(): number;
  read(records: readonly LogRecord[], scannedTo: Seq): void;
  /** Retention took what came before. */
  trimmed(first: Seq): void;
};

const pageBytes = 1_048_576;
const retryMs = 500;

export class PoolFeed {
  readonly #services: Services;
  readonly #filters: readonly string[];
  readonly #events: FeedEvents;
  #at: Seq;
  #reading = false;
  #wanted = false;
  #stopped = false;
  #retry: Timer | undefined;
  readonly #unwatch: readonly (() => void)[];

  constructor(
    services: Services,
    from: { readonly filters: readonly string[]; readonly after: Seq },
    events: FeedEvents,
  ) {
    this.#services = services;
    this.#filters = from.filters;
    this.#at = from.after;
    this.#events = events;
    this.#unwatch = from.filters.map((filter) => services.hub.watch(filter, () => this.wake()));
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#retry?.cancel();
    for (const unwatch of this.#unwatch) unwatch();
  }

  /** There is news, or room. */
  wake(): void {
    this.#wanted = true;
    if (this.#reading || this.#stopped) return;
    this.#reading = true;
    this.#run()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#reading = false;
      });
  }

  async #run(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      for (let room = this.#events.room(); room > 0 && !this.#stopped; room = this.#events.room()) {
        if (this.#at >= this.#services.hub.position) break;
        const { firstSeq } = this.#services.ports.log.info();
        if (this.#at + 1 < firstSeq) {
          this.#at = firstSeq - 1;
          this.#events.trimmed(firstSeq);
        }
        await this.#readPage(room);
      }
    }
  }

  async #readPage(room: number): Promise<void> {
    const pages = await Promise.all(this.#filters.map((filter) => this.#page(filter, room)));
    if (this.#stopped) return;
    // A record that two filters match is one; what one page holds beyond another's end is read again.
    const scannedTo = Math.min(...pages.map((page) => page.scannedTo));
    const records = new Map<Seq, LogRecord>();
    for (const page of pages)
      for (const record of page.records) if (record.seq <= scannedTo) records.set(record.seq, record);
    const inOrder = pages.length === 1 ? [...records.values()] : [...records.values()].sort((a, b) => a.seq - b.seq);
    this.#at = Math.max(this.#at, scannedTo);
    this.#events.read(inOrder, this.#at);
  }

  #page(filter: string, room: number): ReadPage | Promise<ReadPage> {
    const { hub, ports } = this.#services;
    const after = this.#at;
    if (hub.recent.covers(after)) {
      hub.pages.ring++;
      return hub.recent.read(filter, after, { records: room, bytes: pageBytes });
    }
    hub.pages.log++;
    return ports.log.read({ filter, after, until: hub.position, recordsMax: room, bytesMax: pageBytes });
  }

  #failed(error: unknown): void {
    const { clock, logger } = this.#services.ports;
    if (this.#stopped) return;
    logger.log("warn", "pool cannot read the log now", { error: String(error), retryMs });
    this.#retry = clock.after(retryMs, () => this.wake());
  }
}

/** Header that names the tag which a member must have to get the record. */
const tagHeader = "weir-tag";

/** What a pool needs to know of a record. `stickyHeader` "": by topic, for strategies that need a key. */
export function workOf(record: LogRecord, stickyHeader: string): Work<LogRecord> {
  const { seq, lane, topic, headers } = record;
  const key = stickyHeader === "" ? topic : headers?.[stickyHeader];
  return { seq, lane, bytes: recordBytes(record), key, tag: headers?.[tagHeader], record };
}

/** The records at these places, of those that are there still. */
export async function readAt(
  services: Services,
  filters: readonly string[],
  seqs: readonly Seq[],
): Promise<ReadonlyMap<Seq, LogRecord>> {
  const { log } = services.ports;
  const wanted = new Set(seqs);
  const found = new Map<Seq, LogRecord>();
  const last = seqs[seqs.length - 1] ?? 0;
  for (const filter of filters) {
    for (let next = (seqs[0] ?? 1) - 1; next < last && found.size < wanted.size; ) {
      const page = await log.read({ filter, after: next, until: last, recordsMax: 256, bytesMax: pageBytes });
      for (const record of page.records) if (wanted.has(record.seq)) found.set(record.seq, record);
      if (page.scannedTo <= next) break;
      next = page.scannedTo;
      const missing = seqs.find((seq) => seq > next);
      if (missing === undefined) break;
      next = Math.max(next, missing - 1);
    }
  }
  return found;
}
