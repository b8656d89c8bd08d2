/**
 * Damages frames, repeatably: what a broken or hostile peer might send.
 * @module
 */

export type Random = () => number;

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

/** Bytes that steer a parser: lengths, tags, ends of ranges. */
const edges = [
  0x00, 0x01, 0x7f, 0x80, 0x81, 0x90, 0x9f, 0xc0, 0xc1, 0xc4, 0xc7, 0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd9, 0xdc, 0xdd,
  0xde, 0xdf, 0xe0, 0xff,
];

/** One to four damages: bytes changed, cut out, doubled, put in, or exchanged for a piece of the other frame. */
export function mutateBytes(frame: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes = [...frame];
  for (let times = 1 + below(random, 4); times > 0; times--) {
    const at = below(random, bytes.length + 1);
    const length = 1 + below(random, 8);
    const kind = below(random, 6);
    if (kind === 0) bytes[at] = below(random, 256);
    else if (kind === 1) bytes[at] = edges[below(random, edges.length)] as number;
    else if (kind === 2) bytes.splice(at, length);
    else if (kind === 3) bytes.splice(at, 0, ...bytes.slice(at, at + length));
    else if (kind === 4) bytes.splice(at, 0, edges[below(random, edges.length)] as number);
    else bytes = [...bytes.slice(0, at), ...other.slice(below(random, other.length))];
  }
  return Uint8Array.from(bytes);
}

const pieces = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "\\",
  "null",
  "true",
  "-1",
  "1e999",
  "0.5",
  '"payload":',
  '"payload":[',
  '"payloadBase64":"',
  '"__proto__":',
  "\\u0000",
  "\ud800",
  " ",
  "9007199254740993",
];

/** The same for a frame that is text. */
export function mutateText(frame: string, other: string, random: Random): string {
  let text = frame;
  for (let times = 1 + below(random, 4); times > 0; times--) {
    const at = below(random, text.length + 1);
    const length = 1 + below(random, 8);
    const kind = below(random, 4);
    if (kind === 0) text = text.slice(0, at) + text.slice(at + length);
    else if (kind === 1) text = text.slice(0, at + length) + text.slice(at);
    else if (kind === 2)
      text = text.slice(0, at) + (pieces[below(random, pieces.length)] as string) + text.slice(at + below(random, 2));
    else text = text.slice(0, at) + other.slice(below(random, other.length));
  }
  return text;
}
