/**
 * Looks over MessagePack before it is parsed: is it whole, shallow, bounded in its lists, free of extension
 * types, and is its text UTF-8? After it, parsing allocates no more than the bytes that are there, and cannot fail.
 *
 * Pure. One pass, no recursion, nothing allocated.
 * @module
 */

import type { DecodeLimits } from "./frame-reader.ts";
import { FrameRefusal } from "./frame-reader.ts";

/** Positions of the longest object of frame-shape.ts, with room: an object is a list too, and no limit's concern. */
const positionsMax = 32;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Throws `FrameRefusal`. */
export function scanMsgpack(bytes: Uint8Array, limits: Pick<DecodeLimits, "frameDepthMax" | "listItemsMax">): void {
  const end = bytes.length;
  const itemsMax = Math.max(limits.listItemsMax, positionsMax);
  /** Values still to come in each list that is open; the frame itself is one value. */
  const open = [1];
  let depth = 0;
  let at = 0;
  for (;;) {
    while (open[depth] === 0) {
      if (depth === 0) {
        if (at !== end) throw malformed(at, `Frame has ${end - at} bytes after its end`);
        return;
      }
      depth -= 1;
    }
    open[depth] = (open[depth] as number) - 1;
    if (at >= end) throw malformed(at, "Frame ends in the middle of a value");
    const tag = bytes[at++] as number;
    if (tag < 0x80 || tag >= 0xe0) continue;
    let items = -1;
    let length = 0;
    if (tag < 0x90) items = (tag & 0x0f) * 2;
    else if (tag < 0xa0) items = tag & 0x0f;
    else if (tag < 0xc0) length = tag & 0x1f;
    else {
      const width = widths[tag - 0xc0] as number;
      if (width < 0) throw unsupported(at - 1, tag);
      if (at + width > end) throw malformed(at, "Frame ends in the middle of a value");
      if (lengthFollows(tag)) {
        length = bigEndian(bytes, at, width);
        if (tag >= 0xdc) {
          items = tag >= 0xde ? length * 2 : length;
          length = 0;
        }
      }
      at += width;
    }
    if (items >= 0) {
      const entries = tag < 0x90 || tag >= 0xde ? items / 2 : items;
      if (entries > itemsMax) {
        throw new FrameRefusal("badFrameShape", "$", `List of ${entries} items; at most ${itemsMax} are allowed`);
      }
      depth += 1;
      if (depth > limits.frameDepthMax)
        throw new FrameRefusal("frameTooDeep", "$", `Frame nests deeper than ${limits.frameDepthMax}`);
      open[depth] = items;
    } else if (length > 0) {
      if (at + length > end) throw malformed(at, `Frame ends before the ${length} bytes of a value`);
      if (isText(tag)) checkUtf8(bytes, at, at + length);
      at += length;
    }
  }
}

/** Bytes after each tag from 0xc0 on: of the value, or of its length. -1: never used, or an extension type. */
// biome-ignore format: a row for each group of tags
const widths = [
  0, -1, 0, 0, // nil, (never used), false, true
  1, 2, 4, -1, -1, -1, // bin 8 16 32, ext 8 16 32
  4, 8, 1, 2, 4, 8, 1, 2, 4, 8, // float 32 64, uint 8 16 32 64, int 8 16 32 64
  -1, -1, -1, -1, -1, // fixext 1 2 4 8 16
  1, 2, 4, 2, 4, 2, 4, // str 8 16 32, array 16 32, map 16 32
] as const;

function lengthFollows(tag: number): boolean {
  return tag >= 0xd9 || (tag >= 0xc4 && tag <= 0xc6);
}

function isText(tag: number): boolean {
  return tag < 0xc0 || tag >= 0xd9;
}

function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let index = 0; index < width; index++) value = value * 0x100 + (bytes[at + index] as number);
  return value;
}

function checkUtf8(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    if ((bytes[at] as number) < 0x80) continue;
    try {
      strictUtf8.decode(bytes.subarray(start, end));
    } catch {
      throw malformed(start, "Text is not UTF-8");
    }
    return;
  }
}

function malformed(at: number, message: string): FrameRefusal {
  return new FrameRefusal("malformedFrame", "$", `${message}, at byte ${at}`);
}

function unsupported(at: number, tag: number): FrameRefusal {
  if (tag === 0xc1) return malformed(at, "Byte 0xc1 is never used in MessagePack");
  return new FrameRefusal("badFrameShape", "$", `Extension types are not used (byte 0x${tag.toString(16)} at ${at})`);
}
