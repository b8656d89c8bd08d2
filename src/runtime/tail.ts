/**
 * Follows a filter from a position at its reader's own pace: from the log while it is behind, from the ring of recent
 * records when it is near the head, and waiting there.
 *
 * Pulled, so a slow reader costs one page and no more. Owns: no record between two pages is left out but those that
 * retention took, and that is said.
 * @module
 */
import type { Seq } from "../protocol/ids.ts";
import type { Hub } from "./hub.ts";
import type { EventLog, LogRecord } from "./log/event-log.ts";

export type TailRequest = {
  readonly filter: string;
  /** Exclusive. */
  readonly after: Seq;
  /** Ends it, also while it waits. */
  readonly signal: AbortSignal;
};
export type TailStep =
  /** All that matches up to `scannedTo`. */
  | { readonly kind: "records"; readonly records: readonly LogRecord[]; readonly scannedTo: Seq }
  /** Retention took what came before `first`. */
  | { readonly kind: "trimmed"; readonly first: Seq };
export type Tail = AsyncGenerator<TailStep, void, void>;

const page = { records: 256, bytes: 262_144 };

export async function* tail(sources: { readonly hub: Hub; readonly log: EventLog }, request: TailRequest): Tail {
  const { hub, log } = sources;
  const { filter, signal } = request;
  const news = new News();
  const unwatch = hub.watch(filter, () => news.come());
  signal.addEventListener("abort", () => news.come(), { once: true });
  try {
    for (let at = request.after; !signal.aborted; ) {
      if (at >= hub.position) {
        await news.next();
        continue;
      }
      const first = log.info().firstSeq;
      if (at + 1 < first) {
        at = first - 1;
        yield { kind: "trimmed", first };
        continue;
      }
      const { records, scannedTo } = await pageAfter(sources, filter, at);
      at = Math.max(at, scannedTo);
      if (records.length > 0) yield { kind: "records", records, scannedTo: at };
    }
  } finally {
    unwatch();
  }
}

async function pageAfter({ hub, log }: { readonly hub: Hub; readonly log: EventLog }, filter: string, after: Seq) {
  if (hub.recent.covers(after)) {
    hub.pages.ring++;
    return hub.recent.read(filter, after, page);
  }
  hub.pages.log++;
  const until = hub.position;
  return await log.read({ filter, after, until, recordsMax: page.records, bytesMax: page.bytes });
}

/** Wakes one waiter, also for news that came before it waited. */
class News {
  #waits = false;
  #wake: (() => void) | undefined;

  come(): void {
    this.#waits = true;
    this.#wake?.();
  }

  async next(): Promise<void> {
    if (!this.#waits) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#waits = false;
  }
}
