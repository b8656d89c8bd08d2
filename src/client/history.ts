/**
 * Pages of the past: READ and PAGE. A page that was lost with its connection is asked for again.
 * @module
 */

import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { ErrorFrame, Frame, Page, StartAt } from "../protocol/frame.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";
import { type HistoryOptions, startAt } from "./options.ts";
import type { ClientClock } from "./ports.ts";
import { HistoryRecord } from "./record.ts";

export type HistoryPage = {
  readonly records: readonly HistoryRecord[];
  /** Give it as `from` to read on; absent at the end. */
  readonly next?: { readonly seq: number; readonly epoch: string };
  readonly epoch: string;
  /** What the log still holds. */
  readonly firstSeq: number;
  readonly lastSeq: number;
};
/** Await it for one page, or iterate over all pages. */
export type History = PromiseLike<HistoryPage> & AsyncIterable<HistoryPage>;

type Query = {
  readonly filter: string;
  readonly start?: StartAt;
  readonly backward?: boolean;
  readonly limit?: number;
};
export type ReaderHost = {
  readonly clock: ClientClock;
  readonly connected: boolean;
  nextRef(): number;
  send(frame: Frame): void;
};

type Asked = { readonly query: Query; resolve(page: HistoryPage): void; reject(error: WeirError): void };

const retryMs = 1_000;

export class HistoryReader {
  readonly #host: ReaderHost;
  readonly #asked = new Map<number, Asked>();
  #ended: WeirError | undefined;

  constructor(host: ReaderHost) {
    this.#host = host;
  }

  query(filter: string, { from, backward, limit }: HistoryOptions): History {
    const query: Query = {
      filter,
      ...(from === undefined ? {} : { start: startAt(from) }),
      ...(backward === undefined ? {} : { backward }),
      ...(limit === undefined ? {} : { limit }),
    };
    const read = (each: Query): Promise<HistoryPage> => this.#read(each);
    return {
      // biome-ignore lint/suspicious/noThenProperty: a page can be awaited, pages can be iterated
      then: (onPage, onError) => read(query).then(onPage, onError),
      async *[Symbol.asyncIterator]() {
        let next: Query | undefined = query;
        while (next !== undefined) {
          const page: HistoryPage = await read(next);
          yield page;
          next = page.next === undefined ? undefined : { ...query, start: { kind: "position", ...page.next } };
        }
      },
    };
  }

  welcomed(): void {
    for (const ref of this.#asked.keys()) this.#send(ref);
  }

  page(frame: Page): void {
    const asked = this.#asked.get(frame.ref);
    this.#asked.delete(frame.ref);
    asked?.resolve({
      records: frame.records.map((record) => new HistoryRecord(record)),
      epoch: frame.epoch,
      firstSeq: frame.firstSeq,
      lastSeq: frame.lastSeq,
      ...(frame.next === undefined ? {} : { next: { seq: frame.next, epoch: frame.epoch } }),
    });
  }

  /** Whether the ERROR answers a READ. */
  refused(frame: ErrorFrame): boolean {
    const ref = frame.ref ?? 0;
    const asked = this.#asked.get(ref);
    if (asked === undefined) return false;
    if (frame.retryable) this.#host.clock.after(frame.retryAfterMs ?? retryMs, () => this.#send(ref));
    else {
      this.#asked.delete(ref);
      asked.reject(wireError(frame));
    }
    return true;
  }

  /** The client has ended; an iteration that goes on must hear of it too. */
  rejectAll(reason: WeirError): void {
    this.#ended = reason;
    for (const { reject } of this.#asked.values()) reject(reason);
    this.#asked.clear();
  }

  #read(query: Query): Promise<HistoryPage> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#asked.size >= limits.subscriptionsPerSessionMax) {
      return Promise.reject(clientError("outboxFull", `${this.#asked.size} history pages are being waited for`));
    }
    return new Promise((resolve, reject) => {
      const ref = this.#host.nextRef();
      this.#asked.set(ref, { query, resolve, reject });
      this.#send(ref);
    });
  }

  #send(ref: number): void {
    const asked = this.#asked.get(ref);
    if (asked !== undefined && this.#host.connected) this.#host.send({ type: "read", ref, ...asked.query });
  }
}
