/**
 * Hands records to those who follow the log: the past in pages, then each group as it becomes durable. The change
 * from one to the other happens in the step in which a page ends at the log's end, so there is no hole and no copy.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";
import type { Follow, LogRecord, OnRecords, OnTrimmed, ReadPage } from "../event-log.ts";

type Follower = {
  cursor: Seq;
  reading: boolean;
  readonly onRecords: OnRecords;
  readonly onTrimmed: OnTrimmed;
};
export type FollowersParts = {
  readonly bounds: () => { readonly firstSeq: Seq; readonly lastSeq: Seq };
  readonly read: (after: Seq) => Promise<ReadPage>;
  readonly soon: (run: () => void) => void;
  readonly onError: (cause: unknown) => void;
};

export class Followers {
  readonly #parts: FollowersParts;
  readonly #followers = new Set<Follower>();

  constructor(parts: FollowersParts) {
    this.#parts = parts;
  }

  add(after: Seq, onRecords: OnRecords, onTrimmed: OnTrimmed): Follow {
    const follower: Follower = { cursor: after, reading: true, onRecords, onTrimmed };
    this.#followers.add(follower);
    this.#parts.soon(() => void this.#catchUp(follower));
    return { stop: () => void this.#followers.delete(follower) };
  }

  /** A durable group. */
  publish(records: readonly LogRecord[]): void {
    const first = records[0]?.seq;
    const last = records.at(-1)?.seq;
    if (first === undefined || last === undefined) return;
    for (const follower of this.#followers) {
      if (follower.reading || follower.cursor >= last) continue;
      const known = Math.max(0, follower.cursor - first + 1);
      this.#hand(follower, known === 0 ? records : records.slice(known), last);
    }
  }

  /** For a log that somebody else writes. */
  wake(): void {
    for (const follower of this.#followers) {
      if (follower.reading || follower.cursor >= this.#parts.bounds().lastSeq) continue;
      follower.reading = true;
      void this.#catchUp(follower);
    }
  }

  stop(): void {
    this.#followers.clear();
  }

  async #catchUp(follower: Follower): Promise<void> {
    try {
      while (this.#followers.has(follower) && follower.cursor < this.#parts.bounds().lastSeq) {
        const page = await this.#parts.read(follower.cursor);
        if (!this.#followers.has(follower)) return;
        const { firstSeq } = this.#parts.bounds();
        if (firstSeq > follower.cursor + 1) follower.onTrimmed(firstSeq);
        if (page.records.length > 0) this.#hand(follower, page.records, page.scannedTo);
        follower.cursor = Math.max(follower.cursor, page.scannedTo);
      }
      follower.reading = false;
    } catch (cause) {
      if (this.#followers.delete(follower)) this.#parts.onError(cause);
    }
  }

  #hand(follower: Follower, records: readonly LogRecord[], last: Seq): void {
    follower.cursor = last;
    follower.onRecords(records);
  }
}
