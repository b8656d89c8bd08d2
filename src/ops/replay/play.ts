/**
 * Plays records of a log again, in their order: as far apart as they were, faster or slower, as fast as the sink takes
 * them, or one at a time.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { LogRecord } from "../../runtime/log/event-log.ts";
import type { Clock } from "../../runtime/ports.ts";
import type { ReadableLog } from "./readable-log.ts";

/** Times the original speed; `max`: no waiting; a function: asked before each record, false ends it. */
export type Pace = number | "max" | (() => Promise<boolean>);

export type PlayOptions = {
  readonly filter: string;
  readonly from?: EpochMs;
  readonly until?: EpochMs;
  readonly pace: Pace;
  readonly clock: Pick<Clock, "now" | "after">;
  /** Ends it between two records. */
  readonly signal?: AbortSignal;
};
/** Takes records in order; what it answers is waited for before the next ones. */
export type Sink = (records: readonly LogRecord[]) => void | Promise<void>;
export type Played = { readonly records: number; readonly bytes: number };

const pageRecords = 4_096;
const pageBytes = 4 * 1_048_576;

export async function playRecords(log: ReadableLog, options: PlayOptions, sink: Sink): Promise<Played> {
  const pacer = new Pacer(options);
  let records = 0;
  let bytes = 0;
  for await (const page of pages(log, options)) {
    for (let at = 0; at < page.length; ) {
      const count = await pacer.due(page, at);
      if (count === 0) return { records, bytes };
      const part = count === page.length ? page : page.slice(at, at + count);
      await sink(part);
      records += count;
      for (const { payload } of part) bytes += payload.byteLength;
      at += count;
    }
  }
  return { records, bytes };
}

async function* pages(log: ReadableLog, { filter, from, until }: PlayOptions): AsyncGenerator<readonly LogRecord[]> {
  let after: Seq = from === undefined ? log.info().firstSeq - 1 : (await log.seqAtTime(from)) - 1;
  const end = until === undefined ? await log.end() : (await log.seqAtTime(until + 1)) - 1;
  while (after < end) {
    const page = await log.read({ filter, after, until: end, recordsMax: pageRecords, bytesMax: pageBytes });
    if (page.records.length > 0) yield page.records;
    if (page.done) return;
    after = page.scannedTo;
  }
}

class Pacer {
  readonly #options: PlayOptions;
  /** When the first record was played, and when it was published. */
  #first: { readonly playedAt: EpochMs; readonly time: EpochMs } | undefined;

  constructor(options: PlayOptions) {
    this.#options = options;
  }

  /** How many records from here on are to be played now, when their time has come. 0: it is over. */
  async due(page: readonly LogRecord[], at: number): Promise<number> {
    const { pace, clock } = this.#options;
    if (this.#stopped) return 0;
    if (typeof pace === "function") return (await pace()) ? 1 : 0;
    if (pace === "max") return page.length - at;
    const next = page[at] as LogRecord;
    this.#first ??= { playedAt: clock.now(), time: next.time };
    const waitMs = this.#playAt(next, pace) - clock.now();
    if (waitMs > 0) await this.#wait(waitMs);
    if (this.#stopped) return 0;
    let count = 1;
    const now = clock.now();
    while (at + count < page.length && this.#playAt(page[at + count] as LogRecord, pace) <= now) count++;
    return count;
  }

  get #stopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #playAt({ time }: LogRecord, speed: number): EpochMs {
    const first = this.#first as { readonly playedAt: EpochMs; readonly time: EpochMs };
    return first.playedAt + (time - first.time) / speed;
  }

  #wait(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.after(ms, () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
      const stop = (): void => {
        timer.cancel();
        resolve();
      };
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}
