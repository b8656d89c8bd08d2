/**
 * A segment: a part of a log with the journals that belong to it, which opens elsewhere as a log that is only read.
 *
 * In memory as a whole; how it is written to a file: segment-file.ts.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { matches } from "../../protocol/topic.ts";
import type {
  JournalEntry,
  JournalKey,
  LogInfo,
  LogRecord,
  ReadPage,
  ReadRequest,
} from "../../runtime/log/event-log.ts";
import type { ReadableLog } from "./readable-log.ts";

export type SegmentHeader = {
  readonly weir: "segment";
  /** Of the file. A reader refuses a newer one. */
  readonly format: 1;
  /** Of the Weir that wrote it. */
  readonly version: string;
  readonly recordedAt: EpochMs;
  /** The log that it is of, as it was. */
  readonly log: Pick<LogInfo, "epoch" | "tier" | "firstSeq" | "lastSeq">;
  readonly filter: string;
  /** Records with a seq in here that match are in the segment. */
  readonly fromSeq: Seq;
  readonly untilSeq: Seq;
  /** Journals hold what was not later than this. */
  readonly until: EpochMs;
  readonly anonymised: boolean;
};
export type SegmentJournal = { readonly key: JournalKey; readonly entries: readonly JournalEntry[] };
export type Segment = {
  readonly header: SegmentHeader;
  /** In order of seq. */
  readonly records: readonly LogRecord[];
  /** In order of kind and id. */
  readonly journals: readonly SegmentJournal[];
};

export function segmentLog(segment: Segment): ReadableLog & { close(): Promise<void> } {
  return new SegmentLog(segment);
}

class SegmentLog implements ReadableLog {
  readonly #segment: Segment;
  readonly #journals: ReadonlyMap<string, readonly JournalEntry[]>;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#journals = new Map(segment.journals.map(({ key, entries }) => [nameOf(key), entries]));
  }

  info(): LogInfo {
    const { header, records } = this.#segment;
    const { epoch, tier } = header.log;
    const bytes = records.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    const [firstSeq, lastSeq] = [header.fromSeq, header.untilSeq];
    return { epoch, tier, firstSeq, lastSeq, records: records.length, bytes, transactions: false, shared: false };
  }

  end(): Promise<Seq> {
    return Promise.resolve(this.#segment.header.untilSeq);
  }

  read(request: ReadRequest): Promise<ReadPage> {
    return Promise.resolve(request.backward === true ? this.#backward(request) : this.#forward(request));
  }

  #forward({ filter, after, until, recordsMax, bytesMax }: ReadRequest): ReadPage {
    const all = this.#segment.records;
    const end = Math.min(until ?? Number.POSITIVE_INFINITY, this.#segment.header.untilSeq);
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let i = this.#firstAfter(after); i < all.length; i++) {
      const record = all[i] as LogRecord;
      if (record.seq > end) break;
      if (!matches(filter, record.topic)) continue;
      if (records.length === recordsMax || (records.length > 0 && bytes + record.payload.byteLength > bytesMax))
        return { records, scannedTo: record.seq - 1, done: false };
      records.push(record);
      bytes += record.payload.byteLength;
    }
    return { records, scannedTo: Math.max(after, end), done: true };
  }

  #backward({ filter, after, until, recordsMax, bytesMax }: ReadRequest): ReadPage {
    const all = this.#segment.records;
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let i = this.#firstAfter(until ?? this.#segment.header.untilSeq) - 1; i >= 0; i--) {
      const record = all[i] as LogRecord;
      if (record.seq <= after) break;
      if (!matches(filter, record.topic)) continue;
      if (records.length === recordsMax || (records.length > 0 && bytes + record.payload.byteLength > bytesMax))
        return { records, scannedTo: record.seq + 1, done: false };
      records.push(record);
      bytes += record.payload.byteLength;
    }
    return { records, scannedTo: after + 1, done: true };
  }

  lastPerTopic(filter: string, after: Seq, max: number): Promise<readonly LogRecord[]> {
    const newest = new Map<string, LogRecord>();
    for (let i = this.#firstAfter(after); i < this.#segment.records.length; i++) {
      const record = this.#segment.records[i] as LogRecord;
      if (matches(filter, record.topic)) newest.set(record.topic, record);
    }
    return Promise.resolve([...newest.values()].sort((a, b) => a.seq - b.seq).slice(0, max));
  }

  seqAtTime(time: EpochMs): Promise<Seq> {
    const found = this.#segment.records.find((record) => record.time >= time);
    return Promise.resolve(found?.seq ?? this.#segment.header.untilSeq + 1);
  }

  readonly journals: ReadableLog["journals"] = {
    read: async (key, after, max) => {
      const entries = this.#journals.get(nameOf(key)) ?? [];
      const from = entries.findIndex(({ seq }) => seq > after);
      return from < 0 ? [] : entries.slice(from, from + max);
    },
    lastSeq: async (key) => this.#journals.get(nameOf(key))?.at(-1)?.seq ?? 0,
    loadSnapshot: async () => undefined,
    list: async (kind, cursor, max) => {
      const ids = this.#segment.journals.flatMap(({ key }) => (key.kind === kind && key.id > cursor ? [key.id] : []));
      return ids.sort().slice(0, max);
    },
  };

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Index of the first record with a higher seq. */
  #firstAfter(seq: Seq): number {
    const { records } = this.#segment;
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((records[middle] as LogRecord).seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function nameOf({ kind, id }: JournalKey): string {
  return `${kind}/${id}`;
}
