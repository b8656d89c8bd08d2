/**
 * The embedded event log: puts its parts together into the port. One process writes; others may read beside it.
 * @module
 */
import type { EpochMs, LogEpoch, Seq } from "../../../protocol/ids.ts";
import type { Clock, Timer } from "../../ports.ts";
import { closedFailure } from "../append-plan.ts";
import type {
  AppendRequest,
  AppendResult,
  Blobs,
  EventLog,
  Follow,
  JournalAppend,
  JournalKey,
  JournalSnapshot,
  Journals,
  LogFailure,
  LogInfo,
  LogRecord,
  OnRecords,
  OnTrimmed,
  ReadPage,
  ReadRequest,
  Retention,
} from "../event-log.ts";
import { BlobTable } from "./blob-table.ts";
import { BlockWriter } from "./block.ts";
import { BlockCache } from "./block-cache.ts";
import { Followers } from "./followers.ts";
import type { Group } from "./group.ts";
import { JournalTable } from "./journal-table.ts";
import { EmbeddedKeyValue } from "./key-value.ts";
import { everyTopic, LogIndex } from "./log-index.ts";
import { newestPerTopic, readPage } from "./reader.ts";
import { assertKey, type Store } from "./store.ts";
import { retainedFrom, seqAtTime, stageTrim } from "./trim.ts";
import { Writer } from "./writer.ts";

export type EmbeddedLogParts = {
  readonly store: Store;
  readonly epoch: LogEpoch;
  readonly clock: Clock;
  readonly readOnly: boolean;
  readonly lagRecords: number;
  /** A follower's page could not be read; it is not followed any more. */
  readonly onError: (cause: unknown) => void;
  readonly release: () => void;
};

/** How often a log that another process writes is looked at for followers. */
const pollMs = 50;
const followPage = { filter: everyTopic, recordsMax: 1_024, bytesMax: 1_048_576 } as const;
const readOnlyFailure: LogFailure = {
  ok: false,
  code: "unavailable",
  message: "The log is open for reading only",
  retryable: false,
};

export class EmbeddedLog implements EventLog {
  readonly keyValue: EmbeddedKeyValue;
  readonly journals: Journals;
  readonly blobs: Blobs;
  readonly readOverhead = 0;
  readonly #parts: EmbeddedLogParts;
  readonly #store: Store;
  readonly #index: LogIndex;
  readonly #blocks: BlockCache;
  readonly #writer: Writer;
  readonly #followers: Followers;
  readonly #pause: () => Promise<void>;
  readonly #reads = new Set<Promise<ReadPage>>();
  #poll: Timer | undefined;
  #closed = false;

  constructor(parts: EmbeddedLogParts) {
    const { store, clock } = parts;
    this.#parts = parts;
    this.#store = store;
    this.#index = new LogIndex(store, parts.lagRecords);
    this.#blocks = new BlockCache(store);
    this.#pause = () => new Promise((resolve) => clock.soon(resolve));
    const journals = new JournalTable(store);
    const onGroup = (group: Group): void => this.#publish(group);
    this.#writer = new Writer({ store, index: this.#index, journals, blocks: new BlockWriter(), clock, onGroup });
    this.#followers = new Followers({
      bounds: () => this.#index,
      read: (after) => this.read({ ...followPage, after }),
      soon: (run) => clock.soon(run),
      onError: parts.onError,
    });
    const write = <T>(decide: (group: Group) => T): Promise<T | LogFailure> => this.#write(decide);
    const read = <T>(value: () => T): Promise<T> => this.#read(value);
    this.keyValue = new EmbeddedKeyValue({ store, clock, write, read });
    this.journals = this.#journalsOf(journals);
    this.blobs = this.#blobsOf(new BlobTable(store));
    this.#index.load();
    if (!parts.readOnly) this.keyValue.load();
  }

  info(): LogInfo {
    const { firstSeq, lastSeq, bytes } = this.#index;
    const { epoch } = this.#parts;
    return {
      epoch,
      tier: "disk",
      firstSeq,
      lastSeq,
      records: lastSeq - firstSeq + 1,
      bytes,
      transactions: true,
      shared: false,
    };
  }

  end(): Promise<Seq> {
    return Promise.resolve(this.info().lastSeq);
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.#write((group) => group.append(request));
  }

  async read(request: ReadRequest): Promise<ReadPage> {
    this.#refresh();
    const page = readPage({ index: this.#index, blocks: this.#blocks, pause: this.#pause }, request);
    this.#reads.add(page);
    try {
      return await page;
    } finally {
      this.#reads.delete(page);
    }
  }

  follow(after: Seq, onRecords: OnRecords, onTrimmed: OnTrimmed = () => undefined): Follow {
    if (this.#parts.readOnly) this.#poll ??= this.#pollLater();
    return this.#followers.add(after, onRecords, onTrimmed);
  }

  lastPerTopic(filter: string, after: Seq, max: number): Promise<readonly LogRecord[]> {
    return this.#read(() =>
      newestPerTopic({ index: this.#index, blocks: this.#blocks, pause: this.#pause }, filter, after, max),
    );
  }

  seqAtTime(time: EpochMs): Promise<Seq> {
    return this.#read(() => seqAtTime({ store: this.#store, index: this.#index, blocks: this.#blocks }, time));
  }

  producerMark(producer: string): Promise<number | undefined> {
    return this.#read(() => this.#index.mark(producer));
  }

  forgetProducer(producer: string): Promise<void> {
    return this.#act((group) => {
      assertKey(producer);
      group.forgetProducer(producer);
    });
  }

  async trim(retention: Retention): Promise<number> {
    const parts = { store: this.#store, index: this.#index, blocks: this.#blocks };
    const begin = this.#index.firstSeq;
    const target = retainedFrom(parts, retention, this.#parts.clock.now());
    this.#index.flushBelow = target;
    while (this.#index.dirtyBelow(target)) await this.#act(() => {});
    while (this.#index.firstSeq < target) {
      const before = this.#index.firstSeq;
      await this.#act((group) => void stageTrim(parts, group, target), true);
      if (this.#index.firstSeq === before) break;
      await this.#pause();
    }
    return this.#index.firstSeq - begin;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.keyValue.stop();
    this.#followers.stop();
    this.#poll?.cancel();
    await this.#writer.close();
    await Promise.allSettled(this.#reads);
    await this.#store.close();
    this.#parts.release();
  }

  #journalsOf(table: JournalTable): Journals {
    return {
      append: async (journal: JournalAppend) => {
        const result = await this.append({ records: [], journal });
        return result.ok ? { ok: true, seq: journal.expected + journal.entries.length } : result;
      },
      read: (key, after, max) => this.#read(() => table.read(key, after, max)),
      lastSeq: (key) => this.#read(() => table.head(key)),
      saveSnapshot: (key: JournalKey, snapshot: JournalSnapshot) =>
        this.#act((group) => {
          assertKey(key.kind, key.id);
          table.stageSnapshot(key, snapshot, group.puts);
        }),
      loadSnapshot: (key) => this.#read(() => table.snapshot(key)),
      list: (kind, cursor, max) => this.#read(() => table.list(kind, cursor, max)),
      delete: (key) => this.#act((group) => group.deleteJournal(key)),
    };
  }

  #blobsOf(table: BlobTable): Blobs {
    return {
      put: (name, data) => {
        const copy = data.slice();
        return this.#write((group) => {
          assertKey(name);
          table.stagePut(name, copy, group.puts);
          return { ok: true as const };
        });
      },
      get: (name) => this.#read(() => table.get(name)),
      delete: (name) => this.#act((group) => table.stageDelete(name, group.puts)),
    };
  }

  #write<T>(decide: (group: Group) => T, alone = false): Promise<T | LogFailure> {
    return this.#parts.readOnly ? Promise.resolve(readOnlyFailure) : this.#writer.write(decide, alone);
  }

  async #act(decide: (group: Group) => void, alone = false): Promise<void> {
    const failure = await this.#write((group) => {
      decide(group);
      return undefined;
    }, alone);
    if (failure !== undefined) throw new Error(failure.message);
  }

  async #read<T>(value: () => T): Promise<T> {
    this.#refresh();
    return value();
  }

  /** Takes up what another process has written, when it is another process that writes. */
  #refresh(): void {
    if (this.#closed) throw new Error(closedFailure.message);
    if (!this.#parts.readOnly) return;
    this.#store.refresh();
    this.#index.refresh();
  }

  #publish(group: Group): void {
    this.#followers.publish(group.records);
    this.keyValue.publish(group.changes);
  }

  #pollLater(): Timer {
    return this.#parts.clock.after(pollMs, () => {
      if (this.#closed) return;
      this.#refresh();
      this.#followers.wake();
      this.#poll = this.#pollLater();
    });
  }
}
