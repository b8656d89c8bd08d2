/**
 * Writes MessagePack into one growing buffer, every value in its shortest form. Integers above 2^32 are
 * uint64, never floats, so that a strict reader in any language takes them.
 *
 * Owns its buffer; what `take` answers is a copy.
 * @module
 */
import { AssertionError } from "./assert.ts";
import { utf8Length } from "./utf8.ts";

const firstBytes = 4_096;
/** A buffer that one large frame made larger than this is let go. */
const keptBytesMax = 1_048_576;
const shortText = 64;

export class MsgpackWriter {
  #buffer = new Uint8Array(firstBytes);
  #view = new DataView(this.#buffer.buffer);
  #at = 0;
  readonly #encoder = new TextEncoder();

  /** What was written since the last `take`; the writer is empty again. */
  take(): Uint8Array {
    const bytes = this.#buffer.slice(0, this.#at);
    this.reset();
    return bytes;
  }

  /** Forgets what was written: after a failure half-way. */
  reset(): void {
    this.#at = 0;
    if (this.#buffer.length > keptBytesMax) this.#replace(firstBytes);
  }

  nil(): void {
    this.#room(1);
    this.#buffer[this.#at++] = 0xc0;
  }

  bool(value: boolean): void {
    this.#room(1);
    this.#buffer[this.#at++] = value ? 0xc3 : 0xc2;
  }

  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new AssertionError(`${value} is not a safe integer from 0`);
    this.#room(9);
    if (value < 0x80) this.#buffer[this.#at++] = value;
    else if (value < 0x100) this.#head(0xcc, 1, value);
    else if (value < 0x1_0000) this.#head(0xcd, 2, value);
    else if (value < 0x1_0000_0000) this.#head(0xce, 4, value);
    else {
      const high = Math.floor(value / 0x1_0000_0000);
      this.#head(0xcf, 4, high);
      this.#view.setUint32(this.#at, value - high * 0x1_0000_0000);
      this.#at += 4;
    }
  }

  array(items: number): void {
    this.#room(5);
    if (items < 16) this.#buffer[this.#at++] = 0x90 | items;
    else if (items < 0x1_0000) this.#head(0xdc, 2, items);
    else this.#head(0xdd, 4, items);
  }

  map(entries: number): void {
    this.#room(5);
    if (entries < 16) this.#buffer[this.#at++] = 0x80 | entries;
    else if (entries < 0x1_0000) this.#head(0xde, 2, entries);
    else this.#head(0xdf, 4, entries);
  }

  bytes(value: Uint8Array): void {
    const { length } = value;
    this.#room(length + 5);
    if (length < 0x100) this.#head(0xc4, 1, length);
    else if (length < 0x1_0000) this.#head(0xc5, 2, length);
    else this.#head(0xc6, 4, length);
    this.#buffer.set(value, this.#at);
    this.#at += length;
  }

  text(value: string): void {
    const units = value.length;
    this.#room(units * 3 + 5);
    const start = this.#at;
    if (units <= shortText) {
      // Short text is nearly always ASCII: written by hand, it costs a fifth of a call to the encoder.
      this.#textHead(units);
      const buffer = this.#buffer;
      let at = this.#at;
      let unit = 0;
      for (let index = 0; index < units; index++) {
        unit = value.charCodeAt(index);
        if (unit > 0x7f) break;
        buffer[at++] = unit;
      }
      if (unit <= 0x7f) {
        this.#at = at;
        return;
      }
      this.#at = start;
    }
    this.#textHead(utf8Length(value));
    this.#at += this.#encoder.encodeInto(value, this.#buffer.subarray(this.#at)).written;
  }

  #textHead(length: number): void {
    if (length < 32) this.#buffer[this.#at++] = 0xa0 | length;
    else if (length < 0x100) this.#head(0xd9, 1, length);
    else if (length < 0x1_0000) this.#head(0xda, 2, length);
    else this.#head(0xdb, 4, length);
  }

  #head(tag: number, width: 1 | 2 | 4, value: number): void {
    const at = this.#at;
    this.#buffer[at] = tag;
    if (width === 1) this.#buffer[at + 1] = value;
    else if (width === 2) this.#view.setUint16(at + 1, value);
    else this.#view.setUint32(at + 1, value);
    this.#at = at + 1 + width;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const old = this.#buffer.subarray(0, this.#at);
    this.#replace(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.set(old);
  }

  #replace(bytes: number): void {
    this.#buffer = new Uint8Array(bytes);
    this.#view = new DataView(this.#buffer.buffer);
  }
}
