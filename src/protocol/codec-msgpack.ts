/**
 * `weir.v1.msgpack`: a frame is a list `[number, field, field …]` in the order of frame-shape.ts, and so is every
 * object in it. An absent field is nil, and left out at the end. Plain MessagePack: no extension types, no records.
 * Reading takes an integer in any of MessagePack's number forms, because libraries differ in which they write.
 *
 * Pure. Large payloads of a decoded frame are views into `data`.
 * @module
 */
import type { Codec } from "./codec.ts";
import type { Deliver, DeliveredRecord, Frame } from "./frame.ts";
import { coreNumbers } from "./frame.ts";
import type { DecodeLimits, WireForm } from "./frame-reader.ts";
import { clipped, FrameRefusal, failureOf, readFrame } from "./frame-reader.ts";
import { decodeHotMsgpack } from "./msgpack-hot.ts";
import { readMsgpack } from "./msgpack-reader.ts";
import { scanMsgpack } from "./msgpack-scan.ts";
import { MsgpackWriter } from "./msgpack-writer.ts";
import type { Field, Fields, FrameShape, Kind, Shape } from "./shape.ts";
import { deliveredRecordShape, fieldsOf, written } from "./shape.ts";
import { coreFrames, type Vocabulary, vocabularyOf } from "./vocabulary.ts";

const writer = new MsgpackWriter();

export const msgpackCodec: Codec = codecOf(vocabularyOf(coreFrames));

function codecOf(vocabulary: Vocabulary): Codec {
  return {
    name: "msgpack",
    text: false,
    encode(frame) {
      return frame.type === "deliver" ? encoded(() => writeDeliver(frame)) : encodeAnyMsgpack(frame, vocabulary);
    },
    decode(data, limits) {
      try {
        return { ok: true, frame: decode(data, limits, vocabulary) };
      } catch (thrown) {
        return failureOf(thrown);
      }
    },
    knowing: (frames) => codecOf(vocabularyOf([...vocabulary.frames, ...frames])),
  };
}

/** Every frame by the table; what is sent most is written by hand, to the same bytes. */
export function encodeAnyMsgpack(frame: Frame, vocabulary: Vocabulary): Uint8Array {
  const { shape, number } = vocabulary.byType.get(frame.type) as FrameShape;
  return encoded(() => writeFields(fieldsOf(frame), shape, number));
}

function writeDeliver({ chain, prev, records, upTo, attempt }: Deliver): void {
  writer.array(attempt !== undefined ? 6 : upTo !== undefined ? 5 : 4);
  writer.uint(coreNumbers.deliver);
  writer.uint(chain);
  writer.uint(prev);
  writer.array(records.length);
  for (const record of records) writeRecord(record);
  if (upTo !== undefined) writer.uint(upTo);
  else if (attempt !== undefined) writer.nil();
  if (attempt !== undefined) writer.uint(attempt);
}

function writeRecord(record: DeliveredRecord): void {
  if (record.headers !== undefined) return writeFields(record as unknown as Fields, deliveredRecordShape, undefined);
  writer.array(6);
  writer.uint(record.seq);
  writer.uint(record.time);
  writer.text(record.topic);
  writer.text(record.id);
  writer.uint(record.lane);
  writer.bytes(record.payload);
}

function encoded(write: () => void): Uint8Array {
  try {
    write();
    return writer.take();
  } finally {
    writer.reset();
  }
}

function writeFields(values: Fields, shape: Shape, number: number | undefined): void {
  const { fields } = shape;
  let count = fields.length;
  while (count > 0 && written(values, fields[count - 1] as Field) === undefined) count -= 1;
  writer.array(number === undefined ? count : count + 1);
  if (number !== undefined) writer.uint(number);
  for (let index = 0; index < count; index++) {
    const field = fields[index] as Field;
    const value = written(values, field);
    if (value === undefined) writer.nil();
    else writeValue(value, field.kind);
  }
}

function writeValue(value: unknown, kind: Kind): void {
  switch (kind.is) {
    case "uint":
    case "lane":
      return writer.uint(value as number);
    case "text":
      return writer.text(value as string);
    case "bytes":
      return writer.bytes(value as Uint8Array);
    case "bool":
      return writer.bool(value as boolean);
    case "word":
      return writer.uint(kind.words.indexOf(value as string) + 1);
    case "object":
      return writeFields(value as Fields, kind.shape, undefined);
    case "list": {
      const items = value as readonly unknown[];
      writer.array(items.length);
      for (const item of items) writeValue(item, kind.of);
      return;
    }
    case "headers": {
      const names = Object.keys(value as object);
      writer.map(names.length);
      for (const name of names) {
        writer.text(name);
        writer.text((value as Fields)[name] as string);
      }
    }
  }
}

function decode(data: Uint8Array | string, limits: DecodeLimits, vocabulary: Vocabulary): Frame {
  if (typeof data === "string")
    throw new FrameRefusal("malformedFrame", "$", "Frame must be a binary message, not text");
  if (data.length > limits.frameBytesMax) {
    throw new FrameRefusal(
      "frameTooLarge",
      "$",
      `Frame of ${data.length} bytes; at most ${limits.frameBytesMax} are allowed`,
    );
  }
  const hot = decodeHotMsgpack(data, limits);
  return hot ?? decodeAnyMsgpack(data, limits, vocabulary);
}

/** The general way, for every frame and every refusal; what it accepts and refuses is what the codec does. */
export function decodeAnyMsgpack(data: Uint8Array, limits: DecodeLimits, vocabulary: Vocabulary): Frame {
  scanMsgpack(data, limits);
  const raw: unknown = readMsgpack(data);
  if (!Array.isArray(raw) || raw.length === 0)
    throw new FrameRefusal("badFrameShape", "$", "Frame must be a list that begins with its number");
  const known = vocabulary.byNumber.get(raw[0]);
  if (known === undefined)
    throw new FrameRefusal("unknownFrame", "$[0]", `Frame number ${clipped(String(raw[0]))} is not known`);
  return readFrame(known, raw.slice(1), form, limits);
}

const form: WireForm = {
  objectName: "a list",
  laneName: "an integer from 0 to 3",
  bytesName: "bytes (bin)",
  isObject: Array.isArray,
  field: (raw, index) => (raw as unknown[])[index] ?? undefined,
  surplus(raw, { name, fields }) {
    const { length } = fields;
    if ((raw as unknown[]).length <= length) return undefined;
    return { name: `${length}`, message: `${name} has at most ${length} fields` };
  },
  uint: (raw) => raw,
  lane: (raw) => raw,
  word: (raw, words) => (typeof raw === "number" ? words[raw - 1] : undefined),
  headers: (raw) => (raw instanceof Map ? [...(raw as Map<unknown, unknown>)] : undefined),
};
