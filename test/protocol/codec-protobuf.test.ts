import { describe, expect, test } from "bun:test";
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { frameNumbers, frameShapes } from "../../src/protocol/all-frames.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame } from "../../src/protocol/frame.ts";
import { FrameSchema } from "../../src/protocol/gen/weir/v1/frame_pb.js";
import { limits } from "../../src/protocol/limits.ts";
import type { Kind, Shape } from "../../src/protocol/shape.ts";
import type { Corrupted } from "../contract/codec.ts";
import { codecContract } from "../contract/codec.ts";

const protobufCodec = codecs.protobuf;

/** Every tag of the frame in turn says fixed32, which no field is. */
function corrupted(frame: Frame): readonly Corrupted[] {
  const bytes = protobufCodec.encode(frame) as Uint8Array;
  const found: Corrupted[] = [];
  const visit = (shape: Shape, at: string, range: { readonly start: number; readonly end: number }): void => {
    const reader = new BinaryReader(bytes.subarray(0, range.end));
    reader.pos = range.start;
    const counts = new Map<string, number>();
    while (reader.pos < range.end) {
      const tagAt = reader.pos;
      const [number, wireType] = reader.tag();
      const field = shape.fields[number - 1];
      if (field === undefined) throw new Error(`${shape.name} has no field ${number}`);
      const count = counts.get(field.name) ?? 0;
      counts.set(field.name, count + 1);
      const data = bytes.slice();
      data[tagAt] = ((data[tagAt] as number) & ~7) | 5;
      const path = `${at}.${field.name}`;
      found.push({ at: path, data });
      const inner = field.kind.is === "list" ? field.kind.of : field.kind;
      if (inner.is !== "object") {
        reader.skip(wireType);
        continue;
      }
      const length = reader.uint32();
      visit(inner.shape, field.kind.is === "list" ? `${path}[${count}]` : path, {
        start: reader.pos,
        end: reader.pos + length,
      });
      reader.pos += length;
    }
  };
  const reader = new BinaryReader(bytes);
  reader.tag();
  const length = reader.uint32();
  visit(frameShapes[frame.type], "$", { start: reader.pos, end: reader.pos + length });
  if (found.length === 0) throw new Error(`${frame.type} has no fields`);
  return found;
}

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);

codecContract({
  codec: protobufCodec,
  corrupted,
  malformed: [
    "9a01",
    "9a0102",
    "9a0101",
    "9a010208",
    "9a01ffffffffffffffffffff01",
    "80",
    "9a010200ff",
    "ba01030a01ff",
    "9a01021b1c",
  ].map(hex),
  unknown: ["", "fa0200", "f802", "f80201", "f8ffffff0f00"].map(hex),
  bombs: [
    hex("9a01ffffffff0f"),
    new Uint8Array(200_000).fill(0x0b),
    // Half a million records without a byte in them.
    new BinaryWriter()
      .tag(frameNumbers.publish, 2)
      .bytes(Uint8Array.from({ length: 1_000_000 }, (_, at) => (at % 2 === 0 ? 0x0a : 0)))
      .finish(),
    // A million numbers of one byte each, packed.
    new BinaryWriter()
      .tag(frameNumbers.done, 2)
      .bytes(new BinaryWriter().tag(2, 2).bytes(new Uint8Array(1_000_000)).finish())
      .finish(),
    // Groups in groups, in a field that no one knows.
    new BinaryWriter().tag(frameNumbers.ping, 2).bytes(new Uint8Array(200_000).fill(0x7b)).finish(),
  ],
});

function describes(kind: Kind, message: DescMessage, index: number): void {
  const field = message.fields[index];
  const inner = kind.is === "list" ? kind.of : kind;
  const desc = field?.fieldKind === "list" ? field.message : field?.fieldKind === "message" ? field.message : undefined;
  expect({ of: message.name, index, kind: field?.fieldKind === "list" }).toEqual({
    of: message.name,
    index,
    kind: kind.is === "list",
  });
  if (inner.is === "object") {
    if (desc === undefined) throw new Error(`${message.name} field ${index} is no message`);
    sameFields(inner.shape, desc);
  }
  if (inner.is === "word") {
    const words = field?.enum?.values.slice(1).map((value) => value.localName.toLowerCase().replaceAll("_", ""));
    expect(words).toEqual(inner.words.map((word) => word.toLowerCase()));
  }
}

function sameFields(shape: Shape, message: DescMessage): void {
  expect(message.name).toBe(shape.name);
  expect(message.fields.map((field) => [field.number, field.localName])).toEqual(
    shape.fields.map((field, index) => [index + 1, field.name]),
  );
  shape.fields.forEach((field, index) => {
    describes(field.kind, message, index);
  });
}

describe("protobuf codec", () => {
  test("the schema has the frames, fields, numbers and words of the table", () => {
    expect(FrameSchema.fields.map((field) => [field.localName, field.number])).toEqual(Object.entries(frameNumbers));
    for (const field of FrameSchema.fields) {
      if (field.fieldKind !== "message") throw new Error(`${field.name} is no message`);
      sameFields(frameShapes[field.localName as Frame["type"]], field.message);
    }
  });

  test("a scalar that may be absent has presence in the schema", () => {
    const check = (shape: Shape, message: DescMessage): void => {
      shape.fields.forEach((field, index) => {
        const desc = message.fields[index];
        if (desc?.fieldKind === "scalar" || desc?.fieldKind === "enum")
          expect([message.name, field.name, desc.proto.proto3Optional]).toEqual([
            message.name,
            field.name,
            !field.required,
          ]);
        if (field.kind.is === "object" && desc?.message !== undefined) check(field.kind.shape, desc.message);
      });
    };
    for (const field of FrameSchema.fields)
      if (field.fieldKind === "message") check(frameShapes[field.localName as Frame["type"]], field.message);
  });

  test("decode() passes over a field that it does not know inside a frame", () => {
    expect(protobufCodec.decode(hex("9a0109080178019a06020801"), limits)).toStrictEqual({
      ok: true,
      frame: { type: "ping", id: 1 },
    });
  });

  test.each([
    ["9a01020801a201020801", "$.pong"], // two frames
    ["9801", "$.ping"],
    ["9a010b08ffffffffffffffffff01", "$.id"], // beyond 2^53
    ["6200", "ok"],
  ])("decode(%s) answers %s", (text, at) => {
    const answer = protobufCodec.decode(hex(text), limits);
    expect(answer.ok ? "ok" : `${answer.code} ${answer.at}`).toBe(at === "ok" ? "ok" : `badFrameShape ${at}`);
  });
});
