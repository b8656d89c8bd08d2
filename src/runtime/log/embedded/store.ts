/**
 * The LMDB file: its tables, ordered keys, and one atomic durable commit at a time.
 *
 * `overlappingSync` stays off: a commit is then visible to readers only when it is flushed, so nothing that a read
 * shows can be lost (measured: it also takes less CPU than awaiting `flushed` after an overlapping commit).
 * @module
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import type { LogFailure } from "../event-log.ts";
import { Reserve } from "./reserve.ts";

const tables = [
  "meta",
  "blocks",
  "topics",
  "postings",
  "producers",
  "forgotten",
  "steps",
  "journals",
  "snapshots",
  "values",
  "blobs",
] as const;
export type Table = (typeof tables)[number];
export type Key = string | number | (string | number)[];
/** A put, or a removal when there is no value. The value must not change until the commit is done. */
export type Put = { readonly table: Table; readonly key: Key; readonly value?: Uint8Array };
export type KeyRange = { readonly start: Key; readonly end?: Key; readonly reverse?: boolean; readonly limit?: number };
export type Stored = { readonly key: Key; readonly value: Uint8Array };

/** Sorts after every number of a key. */
export const lastNumber = Number.MAX_SAFE_INTEGER;
/** LMDB refuses longer keys; this leaves room for their encoding. */
const keyBytesMax = 1_900;
const freeBytesMin = 1_048_576;

type Lmdb = Database<Uint8Array, Key>;

export class Store {
  readonly file: string;
  /** There was something in the file before, and it was not ours. */
  readonly foreign: boolean;
  readonly #env: RootDatabase<Uint8Array, Key>;
  readonly #tables: Record<Table, Lmdb>;
  readonly #reserve: Reserve | undefined;

  constructor(file: string, readOnly: boolean) {
    this.file = file;
    const binary = { encoding: "binary" } as const;
    this.#env = open<Uint8Array, Key>({
      ...binary,
      path: file,
      readOnly,
      maxDbs: 16,
      overlappingSync: false,
      commitDelay: 0,
      eventTurnBatching: false,
    });
    const names = [...this.#env.getKeys({ limit: tables.length + 1 })] as string[];
    this.foreign = names.some((name) => !(tables as readonly string[]).includes(name));
    const opened = tables.map((name) => [name, this.#env.openDB<Uint8Array, Key>({ ...binary, name })]);
    this.#tables = Object.fromEntries(opened) as Record<Table, Lmdb>;
    this.#reserve = readOnly ? undefined : new Reserve(file);
  }

  get(table: Table, key: Key): Uint8Array | undefined {
    return this.#tables[table].getBinary(key as never);
  }

  range(table: Table, range: KeyRange): Stored[] {
    return this.#tables[table].getRange(range as never).asArray as unknown as Stored[];
  }

  keys(table: Table, range: KeyRange): Key[] {
    return this.#tables[table].getKeys(range as never).asArray as unknown as Key[];
  }

  /** Walks a range without holding it; the loop must not await. */
  walk(table: Table, range: KeyRange): Iterable<Stored> {
    return this.#tables[table].getRange(range as never) as unknown as Iterable<Stored>;
  }

  /** Lets the next reads see what other processes have committed. */
  refresh(): void {
    this.#env.resetReadTxn();
  }

  /** Stores everything or nothing; resolves once it is flushed. */
  async commit(puts: readonly Put[]): Promise<LogFailure | undefined> {
    try {
      let last: Promise<unknown> | undefined;
      const done = this.#env.batch(() => {
        for (const { table, key, value } of puts) {
          const lmdb = this.#tables[table];
          const put = value === undefined ? lmdb.remove(key) : lmdb.put(key, value);
          // Each shares the fate of the batch; a rejection that nobody looks at would end the process.
          if (put !== last) put.catch(ignore);
          last = put;
        }
      });
      await done;
      this.#env.resetReadTxn();
      this.#reserve?.committed(bytesOf(puts));
      return undefined;
    } catch (cause) {
      return this.#failure(puts, cause);
    }
  }

  /** LMDB reports a short write as an input/output error, so the file system is asked. */
  async #failure(puts: readonly Put[], thrown: unknown): Promise<LogFailure> {
    const told = (thrown as { commitError?: Promise<unknown> }).commitError?.catch((error: unknown) => error);
    // The binding rejects it in the same turn of the loop; should it ever not, the answer must still come.
    const nothing = new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
    const cause = (await Promise.race([told, nothing])) ?? thrown;
    const needed = bytesOf(puts) + freeBytesMin;
    const { bavail, bsize } = statfsSync(dirname(this.file));
    const why = cause instanceof Error ? cause.message : String(cause);
    if (bavail * bsize < needed || /ENOSPC|MAP_FULL|mapsize/i.test(why)) {
      const message = `No space left for ${this.file}: free some on its file system, appends then go on by themselves (${why})`;
      return { ok: false, code: "full", message, retryable: true };
    }
    const message = `Cannot write ${this.file}: ${why}; if it stays so, look at the disk and restart`;
    return { ok: false, code: "unavailable", message, retryable: true };
  }

  async close(): Promise<void> {
    await this.#env.close();
    this.#reserve?.close();
  }
}

function bytesOf(puts: readonly Put[]): number {
  let bytes = 0;
  for (const { value } of puts) bytes += value?.byteLength ?? 0;
  return bytes;
}

export function assertKey(...parts: readonly string[]): void {
  const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  if (bytes > keyBytesMax)
    throw new RangeError(`A key of ${bytes} bytes is longer than ${keyBytesMax}: ${parts.join("/").slice(0, 64)}`);
}

/** The cause is a promise of its own (see `#failure`). */
function ignore(error: { readonly commitError?: Promise<unknown> }): void {
  error.commitError?.catch(() => {});
}
