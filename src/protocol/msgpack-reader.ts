/**
 * Reads MessagePack that `scanMsgpack` has looked over: whole, shallow, bounded, without extension types, text in UTF-8.
 * Lists become arrays, maps `Map`s, binary values views into the bytes, integers of 64 bits numbers.
 *
 * Pure. Here instead of a library's reader because those carry what the wire does not use: the SDK has a size budget.
 * @module
 */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true }); // A byte order mark in text is text.

export function readMsgpack(bytes: Uint8Array): unknown {
  return new Reader(bytes).value();
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(): unknown {
    const tag = this.#uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 0x0f);
    if (tag < 0xa0) return this.#list(tag & 0x0f);
    if (tag < 0xc0) return this.#text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    if (tag >= 0xcc && tag <= 0xcf) return this.#uint(1 << (tag - 0xcc));
    if (tag >= 0xd0 && tag <= 0xd3) return this.#int(1 << (tag - 0xd0));
    if (tag >= 0xc4 && tag <= 0xc6) return this.#take(this.#uint(1 << (tag - 0xc4)));
    if (tag >= 0xd9 && tag <= 0xdb) return this.#text(this.#uint(1 << (tag - 0xd9)));
    if (tag >= 0xdc && tag <= 0xdd) return this.#list(this.#uint(2 << (tag - 0xdc)));
    if (tag >= 0xde) return this.#map(this.#uint(2 << (tag - 0xde)));
    if (tag === 0xca) return this.#view.getFloat32(this.#skip(4));
    if (tag === 0xcb) return this.#view.getFloat64(this.#skip(8));
    return tag === 0xc0 ? null : tag === 0xc3;
  }

  #skip(count: number): number {
    const at = this.#at;
    this.#at += count;
    return at;
  }

  /** Big-endian. One of 64 bits that a number cannot hold exactly is no safe integer, and refused by who asked for it. */
  #uint(width: number): number {
    let value = 0;
    for (let at = this.#skip(width); at < this.#at; at++) value = value * 0x100 + (this.#bytes[at] as number);
    return value;
  }

  #int(width: number): number {
    const at = this.#skip(width);
    if (width === 8) return Number(this.#view.getBigInt64(at));
    return width === 4 ? this.#view.getInt32(at) : width === 2 ? this.#view.getInt16(at) : this.#view.getInt8(at);
  }

  #take(length: number): Uint8Array {
    return this.#bytes.subarray(this.#skip(length), this.#at);
  }

  #text(length: number): string {
    return utf8.decode(this.#take(length));
  }

  #list(count: number): unknown[] {
    return Array.from({ length: count }, () => this.value());
  }

  #map(count: number): Map<unknown, unknown> {
    return new Map(Array.from({ length: count }, () => [this.value(), this.value()]));
  }
}
