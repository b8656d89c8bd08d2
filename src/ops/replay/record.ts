/**
 * Takes a segment out of a log: the records of a range that match a filter, and the journals that tell what became of
 * them, whole up to the end of the range (a journal is folded from its first event).
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { nodeKind } from "../../runtime/cluster/node-facts.ts";
import { readJournal } from "../../runtime/journal.ts";
import type { JournalEntry, JournalKey, LogRecord } from "../../runtime/log/event-log.ts";
import { connectionsKind } from "../../runtime/node-journal.ts";
import { version } from "../../runtime/version.ts";
import { Anonymiser } from "./anonymise.ts";
import { UnknownActorError } from "./inspect.ts";
import type { ReadableLog } from "./readable-log.ts";
import type { SegmentHeader } from "./segment.ts";
import { type SegmentPart, type Written, writeSegment } from "./segment-file.ts";

export type RecordOptions = {
  /** @default ">" */
  readonly filter?: string;
  readonly from?: EpochMs;
  readonly until?: EpochMs;
  /** Of sessions only this one's journal, beside those of nodes and connections; records as without. */
  readonly session?: string;
  readonly anonymise?: boolean;
  /** A file that is there. @default true */
  readonly overwrites?: boolean;
  readonly now: EpochMs;
};

const journalKinds = ["session", nodeKind, connectionsKind] as const;
const listPage = 256;
const windowSeqs = 4_096;
const pageRecords = 4_096;
const pageBytes = 8 * 1_048_576;

export async function recordSegment(log: ReadableLog, path: string, options: RecordOptions): Promise<Written> {
  const now = Math.floor(options.now);
  if (options.session !== undefined && (await log.journals.lastSeq({ kind: "session", id: options.session })) === 0)
    throw new UnknownActorError(`The log holds nothing of session/${options.session}`);
  const { filter = ">", from, until = now, anonymise = false } = options;
  const { epoch, tier, firstSeq } = log.info();
  const lastSeq = await log.end();
  const fromSeq = from === undefined ? firstSeq : await log.seqAtTime(from);
  const untilSeq = options.until === undefined ? lastSeq : Math.min(lastSeq, (await log.seqAtTime(until + 1)) - 1);
  const anonymiser = anonymise ? new Anonymiser() : undefined;
  const logEpoch = anonymiser?.name(epoch) ?? epoch;
  const header: SegmentHeader = {
    ...{ weir: "segment", format: 1, version, recordedAt: now, log: { epoch: logEpoch, tier, firstSeq, lastSeq } },
    ...{ filter: anonymiser?.topic(filter) ?? filter, fromSeq, untilSeq, until, anonymised: anonymise },
  };
  const range = {
    filter,
    fromSeq,
    untilSeq,
    until,
    ...(options.session === undefined ? {} : { session: options.session }),
  };
  return await writeSegment({ path, overwrites: options.overwrites ?? true }, header, parts(log, range, anonymiser));
}

type Range = {
  readonly filter: string;
  readonly fromSeq: Seq;
  readonly untilSeq: Seq;
  readonly until: EpochMs;
  readonly session?: string;
};

async function* parts(log: ReadableLog, range: Range, anonymiser?: Anonymiser): AsyncGenerator<SegmentPart> {
  for (const kind of journalKinds)
    for await (const id of idsOf(log, kind)) {
      if (kind === "session" && range.session !== undefined && id !== range.session) continue;
      const journal = { key: { kind, id }, entries: await entriesOf(log, { kind, id }, range.until) };
      if (journal.entries.length === 0) continue;
      yield { part: "journal", journal: anonymiser?.journal(journal) ?? journal };
    }
  for await (const records of recordsOf(log, range))
    yield {
      part: "records",
      records: anonymiser === undefined ? records : records.map((one) => anonymiser.record(one)),
    };
}

async function* idsOf(log: ReadableLog, kind: string): AsyncGenerator<string> {
  for (let cursor = ""; ; ) {
    const ids = await log.journals.list(kind, cursor, listPage);
    yield* ids;
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < listPage) return;
    cursor = last;
  }
}

async function entriesOf(log: ReadableLog, key: JournalKey, until: EpochMs): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const page of readJournal(log, key, 0))
    for (const entry of page) {
      if (entry.time > until) return entries;
      entries.push(entry);
    }
  return entries;
}

/** The gateway's own topics are asked for by name: a wildcard does not match them, and dead letters belong to the story. */
async function* recordsOf(
  log: ReadableLog,
  { filter, fromSeq, untilSeq }: Range,
): AsyncGenerator<readonly LogRecord[]> {
  const filters = filter.startsWith("$") ? [filter] : [filter, `$dead.${filter}`];
  for (let after = fromSeq - 1; after < untilSeq; after += windowSeqs) {
    const records: LogRecord[] = [];
    for (const one of filters)
      records.push(...(await readAll(log, one, { after, until: Math.min(after + windowSeqs, untilSeq) })));
    if (records.length > 0) yield records.sort((a, b) => a.seq - b.seq);
  }
}

async function readAll(
  log: ReadableLog,
  filter: string,
  { after, until }: { readonly after: Seq; readonly until: Seq },
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let at = after; at < until; ) {
    const page = await log.read({ filter, after: at, until, recordsMax: pageRecords, bytesMax: pageBytes });
    records.push(...page.records);
    at = page.scannedTo;
    if (page.done) break;
  }
  return records;
}
