/**
 * The event log: the only truth. One port, several adapters (memory, embedded, later JetStream), one
 * contract suite (test/contract/event-log.ts).
 *
 * Records are for clients, by topic. Journals are for actors, by key. Key-value holds leases and settings.
 * Everything that is answered `ok` is as durable as `info().tier` says.
 * @module
 */

import type { DeliveredRecord } from "../../protocol/frame.ts";
import type { EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import type { EarlierEpoch } from "../../protocol/position.ts";

/** What an acknowledged append survives. none: nothing · disk: power loss of this machine · r1, r3, r3-sync: docs/guarantees.md. */
export type DurabilityTier = "none" | "disk" | "r1" | "r3" | "r3-sync";

/** A record as receivers see it. Its payload never changes after the append, and must not be written to. */
export type LogRecord = DeliveredRecord;
export type NewRecord = Omit<DeliveredRecord, "seq" | "time">;

/**
 * Numbered publishes of one producer (a session). The log remembers each producer's highest number, in the
 * same atomic step as the records, until `forgetProducer`: that is what makes a resend exact after any time away.
 */
export type ProducerNumbers = {
  readonly producer: string;
  /**
   * The producer's previous number that was appended (0: none). When the log's mark is lower, an append before
   * this one failed: `outOfOrder`, nothing is stored. Refused publishes leave gaps, so this is not `numbers[0] - 1`.
   */
  readonly after: number;
  /** One per record, ascending. Those not above the log's mark are duplicates: not stored again. */
  readonly numbers: readonly number[];
};

export type JournalKey = { readonly kind: string; readonly id: string };
export type JournalAppend = {
  readonly key: JournalKey;
  /** Number of the journal's last entry as the writer knows it (0: none). Otherwise `conflict`. */
  readonly expected: number;
  readonly entries: readonly Uint8Array[];
};

/** One atomic step: all of it is stored, or nothing. */
export type AppendRequest = {
  readonly records: readonly NewRecord[];
  readonly numbered?: ProducerNumbers;
  /** Identity of the whole step (`<session>/tx/<id>`): done at most once, until `forgetProducer(<session>)`. */
  readonly once?: { readonly producer: string; readonly key: string };
  readonly journal?: JournalAppend;
};

export type Appended = {
  readonly ok: true;
  /** Seq of each record, in order; 0 for a duplicate whose place is not known any more. */
  readonly seqs: readonly Seq[];
  /** True when `once` had been done before (then `seqs` is its first and last seq), or when every record was a duplicate. */
  readonly duplicate: boolean;
  /** New last entry of `journal`, when there was one and it was written. */
  readonly journalSeq?: number;
};

export type LogFailure = {
  readonly ok: false;
  readonly code: "conflict" | "outOfOrder" | "full" | "unavailable" | "closed";
  readonly message: string;
  readonly retryable: boolean;
  /** conflict: the journal's actual last entry. outOfOrder: the producer's actual mark. */
  readonly actual?: number;
};
export type AppendResult = Appended | LogFailure;

export type LogInfo = {
  readonly epoch: LogEpoch;
  /** Epochs before this one, each of which ended because the log lost its end. */
  readonly earlier?: readonly EarlierEpoch[];
  readonly tier: DurabilityTier;
  /** First seq still held; lastSeq + 1 when empty. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
  readonly records: number;
  readonly bytes: number;
  readonly transactions: boolean;
  /** Other nodes may write it too. */
  readonly shared: boolean;
  /** Since when what holds the log cannot be reached. Absent: it can, or it is in this process. */
  readonly awaySince?: EpochMs;
};

export type ReadRequest = {
  readonly filter: string;
  /** Exclusive lower bound. */
  readonly after: Seq;
  /** Inclusive upper bound. Absent: the end at the time of the call. */
  readonly until?: Seq;
  /** Newest first, from `until` down. */
  readonly backward?: boolean;
  readonly recordsMax: number;
  /** At least one record is returned even if it is larger. */
  readonly bytesMax: number;
};

export type ReadPage = {
  /** Ascending seq (descending when backward). */
  readonly records: readonly LogRecord[];
  /**
   * Forward: every matching record in (after, scannedTo] is in `records`. When the page is not full this is
   * `until`, or the log's end. Backward: every match in [scannedTo, until] is.
   */
  readonly scannedTo: Seq;
  /** False: another page may hold more. */
  readonly done: boolean;
};

export type Follow = { stop(): void };
export type OnRecords = (records: readonly LogRecord[]) => void;
export type OnTrimmed = (firstSeq: Seq) => void;

export type JournalEntry = { readonly seq: number; readonly time: EpochMs; readonly data: Uint8Array };
export type JournalSnapshot = { readonly seq: number; readonly data: Uint8Array };

export type Journals = {
  append(request: JournalAppend): Promise<{ readonly ok: true; readonly seq: number } | LogFailure>;
  /** Entries with seq > after, ascending, at most `max`. */
  read(key: JournalKey, after: number, max: number): Promise<readonly JournalEntry[]>;
  /** 0: no such journal. */
  lastSeq(key: JournalKey): Promise<number>;
  /** A cache: may be lost, never wrong. Only the newest is kept. */
  saveSnapshot(key: JournalKey, snapshot: JournalSnapshot): Promise<void>;
  loadSnapshot(key: JournalKey): Promise<JournalSnapshot | undefined>;
  /** Ids of a kind after `cursor` in order of id, at most `max`. */
  list(kind: string, cursor: string, max: number): Promise<readonly string[]>;
  delete(key: JournalKey): Promise<void>;
};

export type KeyValueEntry = { readonly key: string; readonly value: Uint8Array; readonly revision: number };
export type KeyValueChange =
  | KeyValueEntry
  | { readonly key: string; readonly deleted: true; readonly revision: number };
export type KeyValue = {
  get(key: string): Promise<KeyValueEntry | undefined>;
  /** `expected` 0: only when absent; n: only at that revision; absent: always. Answers the new revision. */
  put(
    key: string,
    value: Uint8Array,
    options?: { readonly expected?: number; readonly ttlMs?: number },
  ): Promise<{ readonly ok: true; readonly revision: number } | LogFailure>;
  delete(key: string, options?: { readonly expected?: number }): Promise<{ readonly ok: true } | LogFailure>;
  /** Keys with the prefix, in order, after `cursor`, at most `max`. */
  list(prefix: string, cursor: string, max: number): Promise<readonly KeyValueEntry[]>;
  /** Changes from now on, expiry included (as a deletion). Of several changes of one key perhaps only the last. */
  watch(prefix: string, onChange: (change: KeyValueChange) => void): Follow;
};

export type Blobs = {
  put(name: string, data: Uint8Array): Promise<{ readonly ok: true } | LogFailure>;
  get(name: string): Promise<Uint8Array | undefined>;
  delete(name: string): Promise<void>;
};

/** 0 in a field: no bound. The strictest one wins. */
export type Retention = { readonly ageMs: number; readonly bytes: number; readonly records: number };

export type EventLog = {
  info(): LogInfo;
  /** Seq of the newest record now, as whoever decides it says: `info()` does not know yet what other nodes write. */
  end(): Promise<Seq>;
  /** Requests are stored in the order of the calls. */
  append(request: AppendRequest): Promise<AppendResult>;
  read(request: ReadRequest): Promise<ReadPage>;
  /** What a `read` costs besides its records, in records of a `read` of everything. 0: next to nothing. */
  readonly readOverhead: number;
  /**
   * Calls back with every record after `after`, in order, each once, only after it is durable; one call per
   * group commit. What retention took before it was handed over is left out, and that nothing before `firstSeq` is held
   * is told before what follows. Callbacks must not throw and must not keep the array.
   */
  follow(after: Seq, onRecords: OnRecords, onTrimmed?: OnTrimmed): Follow;
  /** The newest record of each matching topic with seq > after, in ascending seq, at most `max`. */
  lastPerTopic(filter: string, after: Seq, max: number): Promise<readonly LogRecord[]>;
  /** First seq whose record's time is not before `time`; lastSeq + 1 when there is none. */
  seqAtTime(time: EpochMs): Promise<Seq>;
  /** A producer's highest number. `undefined`: it never appended, or was forgotten. */
  producerMark(producer: string): Promise<number | undefined>;
  forgetProducer(producer: string): Promise<void>;
  /** Removes what retention no longer holds and frees its space; answers how many records went. */
  trim(retention: Retention): Promise<number>;
  readonly journals: Journals;
  readonly keyValue: KeyValue;
  readonly blobs: Blobs;
  /** Flushes what was accepted, then releases the log. */
  close(): Promise<void>;
};

/** What holds the log cannot be reached now: reads and questions reject with this, appends answer `unavailable`. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
}

/** A log that cannot be opened: which file, what is wrong, what to do. */
export class LogOpenError extends Error {
  override readonly name = "LogOpenError";
  readonly code: "locked" | "corrupt" | "wrongVersion" | "notWritable" | "foreign" | "unsupported";
  constructor(code: LogOpenError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
