/**
 * A segment as one file that says itself what it is: gzip over lines of JSON. The first line is the header, then come
 * journals and records, the last line says how many there were and their digest, so that half a file is not taken for a
 * whole one. docs/replay.md describes it for others.
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { fromBase64 } from "../../protocol/base64.ts";
import type { Headers } from "../../protocol/frame.ts";
import { isLane } from "../../protocol/lane.ts";
import type { JournalEntry, LogRecord } from "../../runtime/log/event-log.ts";
import type { Segment, SegmentHeader, SegmentJournal } from "./segment.ts";

/** Parts of a segment in the order of the file. */
export type SegmentPart =
  | { readonly part: "journal"; readonly journal: SegmentJournal }
  | { readonly part: "records"; readonly records: readonly LogRecord[] };

export type Written = { readonly records: number; readonly entries: number };

export class SegmentError extends Error {
  override readonly name = "SegmentError";
}

const formatVersion = 1;
const chunkChars = 65_536;
/** Of one line: a record of the largest payload, in base64, with room for its headers. */
const lineCharsMax = 4 * 1_048_576;
/** Records and journals are held in memory as a whole. */
const segmentBytesMax = 2 ** 31;

type RecordLine = readonly [
  seq: number,
  time: number,
  topic: string,
  id: string,
  lane: number,
  payload: string,
  headers?: Headers,
];
type EntryLine = readonly [seq: number, time: number, data: string];
type Line =
  | { readonly journal: { readonly kind: string; readonly id: string } }
  | { readonly e: EntryLine }
  | { readonly r: RecordLine }
  | { readonly end: Written & { readonly sha256: string } };

export type SegmentTarget = { readonly path: string; readonly overwrites: boolean };

/** Throws `SegmentError` when the file cannot be written, or is there and is not to be written over. */
export async function writeSegment(
  { path, overwrites }: SegmentTarget,
  header: SegmentHeader,
  parts: AsyncIterable<SegmentPart>,
): Promise<Written> {
  const counts = { records: 0, entries: 0 };
  const lines = numberedLines(header, parts, counts);
  const file = await openTarget(path, overwrites);
  await pipeline(Readable.from(chunks(lines)), createGzip(), file.createWriteStream());
  return counts;
}

async function openTarget(path: string, overwrites: boolean) {
  try {
    return await open(path, overwrites ? "w" : "wx");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "it is there already, name another one or give --force" : message;
    throw new SegmentError(`${path} cannot be written: ${why}`, { cause: error });
  }
}

async function* numberedLines(
  header: SegmentHeader,
  parts: AsyncIterable<SegmentPart>,
  counts: { records: number; entries: number },
): AsyncGenerator<string> {
  const digest = createHash("sha256");
  const seal = (line: string): string => {
    digest.update(line);
    return line;
  };
  yield seal(`${JSON.stringify(header)}\n`);
  for await (const part of parts) {
    if (part.part === "journal") {
      const { key, entries } = part.journal;
      counts.entries += entries.length;
      yield seal(`${JSON.stringify({ journal: { kind: key.kind, id: key.id } } satisfies Line)}\n`);
      for (const { seq, time, data } of entries)
        yield seal(`${JSON.stringify({ e: [seq, time, toBase64(data)] } satisfies Line)}\n`);
    } else {
      counts.records += part.records.length;
      for (const record of part.records) yield seal(`${JSON.stringify({ r: recordLine(record) } satisfies Line)}\n`);
    }
  }
  yield `${JSON.stringify({ end: { ...counts, sha256: digest.digest("hex") } } satisfies Line)}\n`;
}

async function* chunks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let chunk = "";
  for await (const line of lines) {
    chunk += line;
    if (chunk.length < chunkChars) continue;
    yield chunk;
    chunk = "";
  }
  yield chunk;
}

function toBase64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function recordLine({ seq, time, topic, id, lane, payload, headers }: LogRecord): RecordLine {
  const line = [seq, time, topic, id, lane, toBase64(payload)] as const;
  return headers === undefined ? line : [...line, headers];
}

/** Throws `SegmentError` for a file that is no segment, is of a newer format, or was cut. */
export async function readSegment(path: string): Promise<Segment> {
  const reading = new Reading(path);
  try {
    const { size } = statSync(path);
    if (size > segmentBytesMax)
      throw new SegmentError(`${path} has ${size} bytes, at most ${segmentBytesMax} are read`);
    const gunzip = createGunzip();
    const lines = createInterface({ input: gunzip, crlfDelay: Number.POSITIVE_INFINITY });
    // A file that was cut ends the lines here; that its last one is missing is told below.
    pipeline(createReadStream(path), gunzip).catch(() => lines.close());
    for await (const line of lines) reading.take(line);
  } catch (error) {
    if (error instanceof SegmentError) throw error;
    throw new SegmentError(`${path} cannot be read as a segment: ${(error as Error).message}`, { cause: error });
  }
  return reading.whole();
}

class Reading {
  readonly #path: string;
  readonly #digest = createHash("sha256");
  readonly #records: LogRecord[] = [];
  readonly #journals: (SegmentJournal & { readonly entries: JournalEntry[] })[] = [];
  #header: SegmentHeader | undefined;
  #entries = 0;
  #whole = false;

  constructor(path: string) {
    this.#path = path;
  }

  take(text: string): void {
    if (text.length > lineCharsMax) throw this.#wrong(`a line of ${text.length} characters`);
    if (this.#header === undefined) {
      this.#header = this.#headerOf(text);
    } else {
      const line = this.#parsed(text) as Line;
      if ("end" in line) return this.#close(line.end);
      this.#takeLine(line);
    }
    this.#digest.update(`${text}\n`);
  }

  whole(): Segment {
    if (this.#header === undefined || !this.#whole) throw this.#wrong("its last line is missing, the file was cut");
    return { header: this.#header, records: this.#records, journals: this.#journals };
  }

  #takeLine(line: Exclude<Line, { end: unknown }>): void {
    if ("journal" in line) {
      this.#journals.push({ key: line.journal, entries: [] });
    } else if ("e" in line) {
      const [seq, time, data] = line.e;
      const journal = this.#journals.at(-1);
      if (journal === undefined) throw this.#wrong("an entry without a journal");
      journal.entries.push({ seq, time, data: this.#bytes(data) });
      this.#entries++;
    } else if ("r" in line) {
      const [seq, time, topic, id, lane, payload, headers] = line.r;
      if (!isLane(lane) || typeof topic !== "string") throw this.#wrong(`a record at ${seq} out of shape`);
      const record = { seq, time, topic, id, lane, payload: this.#bytes(payload) };
      this.#records.push(headers === undefined ? record : { ...record, headers });
    } else throw this.#wrong("a line of a kind that this version does not know");
  }

  #close({ records, entries, sha256 }: Extract<Line, { end: unknown }>["end"]): void {
    if (records !== this.#records.length || entries !== this.#entries)
      throw this.#wrong(
        `${this.#records.length} records and ${this.#entries} entries instead of ${records} and ${entries}`,
      );
    if (sha256 !== this.#digest.digest("hex")) throw this.#wrong("its digest does not hold, it was changed or damaged");
    this.#whole = true;
  }

  #headerOf(text: string): SegmentHeader {
    const header = this.#parsed(text) as Partial<SegmentHeader>;
    if (header.weir !== "segment") throw this.#wrong("its first line is not the header of one");
    if (header.format !== formatVersion)
      throw new SegmentError(
        `${this.#path} has format ${String(header.format)}, this version reads ${formatVersion}: use a newer Weir`,
      );
    return header as SegmentHeader;
  }

  #parsed(text: string): object {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null) return value;
    } catch {
      // Told below.
    }
    throw this.#wrong("a line that is not an object of JSON");
  }

  #bytes(text: string): Uint8Array {
    const bytes = typeof text === "string" ? fromBase64(text) : undefined;
    if (bytes === undefined) throw this.#wrong("bytes that are not base64");
    return bytes;
  }

  #wrong(what: string): SegmentError {
    return new SegmentError(`${this.#path} is no whole segment: ${what}`);
  }
}
