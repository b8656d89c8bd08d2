/**
 * `weir.v1.protobuf`: the frames of schemas/weir/v1/frame.proto, by generated code. 64-bit integers become numbers
 * here, once, and those that are not safe are refused.
 *
 * Pure. Payloads of a decoded frame are views into `data`.
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Codec } from "./codec.ts";
import type { Frame } from "./frame.ts";
import type { DecodeLimits, WireForm } from "./frame-reader.ts";
import { FrameRefusal, failureOf, readFrame } from "./frame-reader.ts";
import { FrameSchema } from "./gen/weir/v1/frame_pb.js";
import { scanProtobuf } from "./protobuf-scan.ts";
import type { Fields, FrameShape, Kind, Shape } from "./shape.ts";
import { fieldsOf, written } from "./shape.ts";
import { coreFrames, type Vocabulary, vocabularyOf } from "./vocabulary.ts";

const uint32Max = 0xffff_ffff;

export const protobufCodec: Codec = codecOf(vocabularyOf(coreFrames));

function codecOf(vocabulary: Vocabulary): Codec {
  return {
    name: "protobuf",
    text: false,
    encode(frame) {
      const { type, shape } = vocabulary.byType.get(frame.type) as FrameShape;
      const value = messageOf(fieldsOf(frame), shape);
      // The table has the fields of the schema, which a test compares; the compiler cannot see it through the walk.
      const init = { frame: { case: type, value } } as MessageInitShape<typeof FrameSchema>;
      return toBinary(FrameSchema, create(FrameSchema, init));
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

function messageOf(values: Fields, shape: Shape): object {
  const message: { [name: string]: unknown } = {};
  for (const field of shape.fields) {
    const value = written(values, field);
    if (value !== undefined) message[field.name] = fieldValue(value, field.kind);
  }
  return message;
}

function fieldValue(value: unknown, kind: Kind): unknown {
  switch (kind.is) {
    case "uint":
      return kind.max > uint32Max ? BigInt(value as number) : value;
    case "word":
      return kind.words.indexOf(value as string) + 1;
    case "object":
      return messageOf(value as Fields, kind.shape);
    case "list":
      return (value as readonly unknown[]).map((item) => fieldValue(item, kind.of));
    default:
      return value;
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
  const known = scanProtobuf(data, limits, vocabulary);
  const { frame } = fromBinary(FrameSchema, data, { readUnknownFields: false });
  return readFrame(known, frame.value, form, limits);
}

const form: WireForm = {
  objectName: "a message",
  laneName: "an integer from 0 to 3",
  bytesName: "bytes",
  isObject: (raw) => typeof raw === "object" && raw !== null,
  field: (raw, _index, name) => (raw as Fields)[name],
  surplus: () => undefined,
  uint: (raw) => (typeof raw === "bigint" ? Number(raw) : raw),
  lane: (raw) => raw,
  word: (raw, words) => words[(raw as number) - 1],
  headers: (raw) => Object.entries(raw as object),
};
