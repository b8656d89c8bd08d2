/**
 * Reads the events that journals hold most of straight from their bytes: positions, published numbers, records that are
 * given back. Looking back folds millions of them. What it does not know, or does not find as a gateway writes it, it
 * leaves to the general decoder (persist.ts), which gives the same: a test holds them to each other.
 *
 * Pure. Reads one event at a time: the place in its bytes is kept here.
 * @module
 */
import { isLane } from "../../protocol/lane.ts";
import type { FilterPositions, SessionEvent } from "./events.ts";
import type { LanePositions } from "./state.ts";

let bytes: Uint8Array;
let at = 0;

const atTag = 0x08;
/** Tags of the events, all of them messages. */
const acknowledged = 0x3a;
const publishedUpTo = 0x42;
const nacked = 0x62;
const nakSettled = 0x6a;
/** Tags of their fields: number << 3 | wire type. */
const field = { text1: 0x0a, list2: 0x12, n1: 0x08, n2: 0x10, n3: 0x18, n4: 0x20, n5: 0x28, text6: 0x32 } as const;
const asciiMax = 0x7f;
const textBytesMax = 256;

/** Undefined: the general decoder has to read it. */
export function readHotEvent(data: Uint8Array): SessionEvent | undefined {
  bytes = data;
  at = 0;
  if (next() !== atTag) return undefined;
  const time = varint();
  const tag = next();
  // One message follows, and is the rest.
  if (varint() !== data.length - at) return undefined;
  switch (tag) {
    case acknowledged:
      return readAcknowledged(time);
    case publishedUpTo:
      return next() === field.n1 ? whole({ type: "PublishedUpTo", at: time, n: varint() }) : undefined;
    case nacked:
      return readNacked(time);
    case nakSettled:
      return readNakSettled(time);
    default:
      return undefined;
  }
}

/** It ends where its bytes end, or it was read wrongly. */
function whole(event: SessionEvent): SessionEvent | undefined {
  return at === bytes.length ? event : undefined;
}

function next(): number {
  return bytes[at++] ?? -1;
}

/** Whole numbers up to 2^53; a larger one ends behind the bytes. */
function varint(): number {
  let byte = next();
  if (byte >= 0 && byte < 0x80) return byte;
  let value = 0;
  for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
    if (byte < 0) break;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    byte = next();
  }
  at = Number.POSITIVE_INFINITY;
  return 0;
}

/** Undefined: not plain ASCII, or longer than usual. */
function text(): string | undefined {
  const length = varint();
  const end = at + length;
  if (length > textBytesMax || end > bytes.length) return undefined;
  let read = "";
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > asciiMax) return undefined;
    read += String.fromCharCode(byte);
  }
  return read;
}

function readAcknowledged(time: number): SessionEvent | undefined {
  const filters: FilterPositions[] = [];
  while (at < bytes.length) {
    if (next() !== field.text1) return undefined;
    const end = varint() + at;
    const one = readPositions(end);
    if (one === undefined || at !== end) return undefined;
    filters.push(one);
  }
  return whole({ type: "Acknowledged", at: time, filters });
}

function readPositions(end: number): FilterPositions | undefined {
  if (next() !== field.text1) return undefined;
  const filter = text();
  if (filter === undefined || next() !== field.list2) return undefined;
  if (varint() !== end - at) return undefined;
  const positions = [varint(), varint(), varint(), varint()] as const satisfies LanePositions;
  return { filter, positions };
}

/** Every field is there, in order: none of them is 0 in what a gateway writes, but the lane. */
function readNacked(time: number): SessionEvent | undefined {
  const filter = next() === field.text1 ? text() : undefined;
  if (filter === undefined) return undefined;
  let tag = next();
  const lane = tag === field.n2 ? varint() : 0;
  if (tag === field.n2) tag = next();
  if (tag !== field.n3 || !isLane(lane)) return undefined;
  const seq = varint();
  if (next() !== field.n4) return undefined;
  const attempts = varint();
  if (next() !== field.n5) return undefined;
  const dueAt = varint();
  if (next() !== field.text6) return undefined;
  const reason = text();
  return reason === undefined
    ? undefined
    : whole({ type: "Nacked", at: time, filter, lane, seq, attempts, dueAt, reason });
}

function readNakSettled(time: number): SessionEvent | undefined {
  const filter = next() === field.text1 ? text() : undefined;
  if (filter === undefined || next() !== field.n2) return undefined;
  return whole({ type: "NakSettled", at: time, filter, seq: varint() });
}
