/**
 * How records lie on disk: the records of one group commit in blocks of about 32 KiB, each with all that is needed to
 * rebuild the index over it (new topics, producers' numbers). Payloads are copied in and handed out untouched.
 *
 * Layout, little endian: header (48 bytes) · records · their offsets (u32 each) · topics · marks. Record: topic u32,
 * flags u8, id length u16, headers length u32 (when flagged), id, headers as JSON, payload up to the next record.
 *
 * Pure, but for the arena that a writer reuses.
 * @module
 */
import { crc32 } from "node:zlib";
import { assert } from "../../../protocol/assert.ts";
import type { Headers } from "../../../protocol/frame.ts";
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import type { Lane } from "../../../protocol/lane.ts";
import type { NewRecord } from "../event-log.ts";

export const blockBytesTarget = 32_768;
const headerBytes = 48;
const at = {
  crc: 0,
  version: 4,
  count: 8,
  offsets: 12,
  first: 16,
  time: 24,
  before: 32,
  definitions: 40,
  marks: 44,
} as const;
const version = 1;
const laneBits = 0b11;
const hasHeaders = 0b100;
const wideId = 0b1000;
const arenaBytesKept = 8_388_608;

export type TopicDefinition = { readonly id: number; readonly name: string };
/** A producer's highest number, and the record that brought it. */
export type Mark = { readonly producer: string; readonly number: number; readonly seq: Seq };
export type BlockStart = { readonly first: Seq; readonly time: EpochMs; readonly bytesBefore: number };
export type BlockTail = { readonly topics: readonly TopicDefinition[]; readonly marks: readonly Mark[] };

/** Writes blocks one after the other into one arena; they stay valid until `reset`. */
export class BlockWriter {
  #arena = Buffer.allocUnsafeSlow(2 * blockBytesTarget);
  #view = new DataView(this.#arena.buffer);
  #begin = 0;
  #end = 0;
  #offsets: number[] = [];

  get count(): number {
    return this.#offsets.length;
  }

  /** Bytes of the records in the block that is being written. */
  get bytes(): number {
    return this.#end - this.#begin - headerBytes;
  }

  reset(): void {
    if (this.#arena.byteLength > arenaBytesKept) this.#replaceArena(2 * blockBytesTarget);
    this.#begin = 0;
    this.#end = 0;
    this.#offsets = [];
  }

  add(topic: number, record: NewRecord): void {
    if (this.#offsets.length === 0) this.#end = this.#begin + headerBytes;
    const { id, payload, headers } = record;
    const headersText = headers === undefined ? undefined : Buffer.from(JSON.stringify(headers));
    this.#reserve(11 + id.length * 3 + (headersText?.length ?? 0) + payload.byteLength);
    this.#offsets.push(this.#end - this.#begin);
    const arena = this.#arena;
    const view = this.#view;
    const start = this.#end;
    let end = start + (headersText === undefined ? 7 : 11);
    const idAt = end;
    let flags = record.lane as number;
    for (let i = 0; i < id.length; i++) {
      const code = id.charCodeAt(i);
      if (code > 127) {
        flags |= wideId;
        end = idAt + arena.write(id, idAt, "utf8");
        break;
      }
      arena[end++] = code;
    }
    view.setUint32(start, topic, true);
    view.setUint16(start + 5, end - idAt, true);
    if (headersText !== undefined) {
      flags |= hasHeaders;
      view.setUint32(start + 7, headersText.length, true);
      arena.set(headersText, end);
      end += headersText.length;
    }
    arena[start + 4] = flags;
    arena.set(payload, end);
    this.#end = end + payload.byteLength;
  }

  finish(start: BlockStart, tail: BlockTail): Uint8Array {
    const count = this.#offsets.length;
    assert(count > 0, "a block holds a record");
    const text =
      tail.topics.reduce((n, t) => n + 6 + t.name.length * 3, 0) +
      tail.marks.reduce((n, m) => n + 14 + m.producer.length * 3, 0);
    this.#reserve(count * 4 + text + 8);
    const view = this.#view;
    const begin = this.#begin;
    const offsetsAt = this.#end;
    for (let i = 0; i < count; i++) view.setUint32(offsetsAt + i * 4, this.#offsets[i] as number, true);
    let end = offsetsAt + count * 4;
    for (const { id, name } of tail.topics) {
      view.setUint32(end, id, true);
      end = this.#text(end + 4, name);
    }
    for (const { producer, number, seq } of tail.marks) {
      view.setFloat64(end, number, true);
      view.setUint32(end + 8, seq - start.first, true);
      end = this.#text(end + 12, producer);
    }
    view.setUint32(begin + at.version, version, true);
    view.setUint32(begin + at.count, count, true);
    view.setUint32(begin + at.offsets, offsetsAt - begin, true);
    view.setFloat64(begin + at.first, start.first, true);
    view.setFloat64(begin + at.time, start.time, true);
    view.setFloat64(begin + at.before, start.bytesBefore, true);
    view.setUint32(begin + at.definitions, tail.topics.length, true);
    view.setUint32(begin + at.marks, tail.marks.length, true);
    view.setUint32(begin + at.crc, crc32(this.#arena.subarray(begin + at.version, end)), true);
    const block = this.#arena.subarray(begin, end);
    this.#begin = this.#end = (end + 7) & ~7;
    this.#offsets = [];
    return block;
  }

  #text(end: number, text: string): number {
    const length = this.#arena.write(text, end + 2, "utf8");
    this.#view.setUint16(end, length, true);
    return end + 2 + length;
  }

  /** Finished blocks keep the old arena; only the block that is being written moves. */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#arena.byteLength) return;
    const unfinished = this.#arena.subarray(this.#begin, this.#end);
    this.#replaceArena(Math.max(2 * this.#arena.byteLength, 2 * (unfinished.length + bytes)));
    this.#arena.set(unfinished, 0);
    this.#end -= this.#begin;
    this.#begin = 0;
  }

  #replaceArena(bytes: number): void {
    this.#arena = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#arena.buffer);
  }
}

export type BlockRecord = {
  readonly id: string;
  readonly lane: Lane;
  readonly payload: Uint8Array;
  readonly headers: Headers | undefined;
};

/** A block as stored; decodes single records on demand. */
export class Block {
  readonly first: Seq;
  readonly count: number;
  readonly time: EpochMs;
  /** Bytes of all records of the log before this block. */
  readonly bytesBefore: number;
  readonly byteLength: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #offsetsAt: number;

  constructor(bytes: Uint8Array, key: Seq) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const intact =
      bytes.byteLength > headerBytes &&
      this.#view.getUint32(at.crc, true) === crc32(this.#bytes.subarray(at.version)) &&
      this.#view.getUint32(at.version, true) === version &&
      this.#view.getFloat64(at.first, true) === key;
    if (!intact) throw new BlockDamaged(key);
    this.byteLength = bytes.byteLength;
    this.first = key;
    this.count = this.#view.getUint32(at.count, true);
    this.time = this.#view.getFloat64(at.time, true);
    this.bytesBefore = this.#view.getFloat64(at.before, true);
    this.#offsetsAt = this.#view.getUint32(at.offsets, true);
  }

  get last(): Seq {
    return this.first + this.count - 1;
  }

  /** Bytes of the records before index `i`, this block's only. */
  bytesUpTo(i: number): number {
    return this.#offset(i) - headerBytes;
  }

  topicAt(i: number): number {
    return this.#view.getUint32(this.#offset(i), true);
  }

  recordAt(i: number): BlockRecord {
    const start = this.#offset(i);
    const end = this.#offset(i + 1);
    const flags = this.#view.getUint8(start + 4);
    const idLength = this.#view.getUint16(start + 5, true);
    const idAt = start + ((flags & hasHeaders) === 0 ? 7 : 11);
    let payloadAt = idAt + idLength;
    const id = this.#bytes.toString((flags & wideId) === 0 ? "latin1" : "utf8", idAt, payloadAt);
    let headers: Headers | undefined;
    if ((flags & hasHeaders) !== 0) {
      const length = this.#view.getUint32(start + 7, true);
      headers = JSON.parse(this.#bytes.toString("utf8", payloadAt, payloadAt + length)) as Headers;
      payloadAt += length;
    }
    const payload = new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + payloadAt, end - payloadAt);
    return { id, lane: (flags & laneBits) as Lane, payload, headers };
  }

  tail(): BlockTail {
    let end = this.#offsetsAt + this.count * 4;
    const text = (): string => {
      const length = this.#view.getUint16(end, true);
      end += 2 + length;
      return this.#bytes.toString("utf8", end - length, end);
    };
    const topics: TopicDefinition[] = [];
    for (let left = this.#view.getUint32(at.definitions, true); left > 0; left--) {
      const id = this.#view.getUint32(end, true);
      end += 4;
      topics.push({ id, name: text() });
    }
    const marks: Mark[] = [];
    for (let left = this.#view.getUint32(at.marks, true); left > 0; left--) {
      const number = this.#view.getFloat64(end, true);
      const seq = this.first + this.#view.getUint32(end + 8, true);
      end += 12;
      marks.push({ producer: text(), number, seq });
    }
    return { topics, marks };
  }

  #offset(i: number): number {
    return i === this.count ? this.#offsetsAt : this.#view.getUint32(this.#offsetsAt + i * 4, true);
  }
}

export class BlockDamaged extends Error {
  override readonly name = "BlockDamaged";
  constructor(first: Seq) {
    super(`The block of records that begins at seq ${first} is damaged`);
  }
}
