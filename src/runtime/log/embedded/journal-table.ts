/**
 * Journals and snapshots in their tables. A journal's head is its last key; the recent ones are remembered.
 * @module
 */
import type { JournalEntry, JournalKey, JournalSnapshot } from "../event-log.ts";
import { float, floats } from "./floats.ts";
import { type Key, lastNumber, type Put, type Store } from "./store.ts";

const headsCachedMax = 65_536;

export class JournalTable {
  readonly #store: Store;
  readonly #heads = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  head(key: JournalKey): number {
    const name = `${key.kind}\n${key.id}`;
    const cached = this.#heads.get(name);
    if (cached !== undefined) return cached;
    const range = { start: [key.kind, key.id, lastNumber], end: [key.kind, key.id, 0], reverse: true, limit: 1 };
    const last = this.#store.keys("journals", range)[0] as readonly [string, string, number] | undefined;
    return last?.[2] ?? 0;
  }

  noteHead(key: JournalKey, seq: number): void {
    const name = `${key.kind}\n${key.id}`;
    this.#heads.delete(name);
    if (seq === 0) return;
    this.#heads.set(name, seq);
    if (this.#heads.size > headsCachedMax) this.#heads.delete(this.#heads.keys().next().value as string);
  }

  read(key: JournalKey, after: number, max: number): JournalEntry[] {
    if (max <= 0) return [];
    const range = { start: [key.kind, key.id, after + 1], end: [key.kind, key.id, lastNumber], limit: max };
    return this.#store.range("journals", range).map(({ key: at, value }) => ({
      seq: (at as [string, string, number])[2],
      time: float(value, 0),
      data: value.subarray(8),
    }));
  }

  /** Jumps from journal to journal, whatever their length. */
  list(kind: string, cursor: string, max: number): string[] {
    const ids: string[] = [];
    let start: Key = cursor === "" ? [kind] : [kind, cursor, lastNumber];
    while (ids.length < max) {
      const next = this.#store.keys("journals", { start, limit: 1 })[0] as
        | readonly [string, string, number]
        | undefined;
      if (next === undefined || next[0] !== kind) break;
      ids.push(next[1]);
      start = [kind, next[1], lastNumber];
    }
    return ids;
  }

  stageSnapshot(key: JournalKey, snapshot: JournalSnapshot, puts: Put[]): void {
    puts.push({
      table: "snapshots",
      key: [key.kind, key.id],
      value: Buffer.concat([floats(snapshot.seq), snapshot.data]),
    });
  }

  snapshot(key: JournalKey): JournalSnapshot | undefined {
    const value = this.#store.get("snapshots", [key.kind, key.id]);
    return value && { seq: float(value, 0), data: value.subarray(8) };
  }
}
