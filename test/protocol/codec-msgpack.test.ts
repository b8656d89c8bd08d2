import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { encodeDeliverMsgpack, encodeRecordMsgpack, msgpackCodec } from "../../src/protocol/codec-msgpack.ts";
import type { Deliver, Frame } from "../../src/protocol/frame.ts";
import { frameShapes } from "../../src/protocol/frame-shape.ts";
import type { Kind } from "../../src/protocol/frame-shape.ts";
import { limits } from "../../src/protocol/limits.ts";
import { codecContract } from "../contract/codec.ts";
import type { Corrupted } from "../contract/codec.ts";
import { frames, framesOf } from "../support/arbitraries.ts";

/** MessagePack by the library, both ways: what anybody else would write and read. */
const packr = new Packr({ useRecords: false, mapsAsObjects: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

/** Every position of the frame in turn holds a number below zero, and so of no kind at all. */
function corrupted(frame: Frame): readonly Corrupted[] {
  const tree = unpackr.unpack(msgpackCodec.encode(frame) as Uint8Array) as unknown[];
  const found: Corrupted[] = [];
  const visit = (holder: unknown[], index: number, place: { readonly at: string; readonly kind: Kind }): void => {
    const { at, kind } = place;
    const value = holder[index] as unknown[];
    holder[index] = -1;
    found.push({ at, data: packr.pack(tree) });
    holder[index] = value;
    if (kind.is === "object") kind.shape.fields.forEach((field, inner) => { if (value[inner] != null) visit(value, inner, { at: `${at}.${field.name}`, kind: field.kind }); });
    if (kind.is === "list") value.forEach((_item, inner) => { visit(value, inner, { at: `${at}[${inner}]`, kind: kind.of }); });
  };
  frameShapes[frame.type].fields.forEach((field, index) => { visit(tree, index + 1, { at: `$.${field.name}`, kind: field.kind }); });
  return found;
}

codecContract({
  codec: msgpackCodec,
  corrupted,
  malformed: ["c1", "92", "9213", "93a1", "9213c1", "92130101", "9217a1ff", "9217a3eda080", "dc", "9217db00000004616161"].map((hex) => Uint8Array.fromHex(hex)),
  unknown: ["9119", "9100", "91a470696e67", "91c0", "91cb4033800000000000"].map((hex) => Uint8Array.fromHex(hex)),
  bombs: [new Uint8Array(200_000).fill(0x91), ...["ddffffffff", "9203ddffffffff", "dfffffffff", "9217dbffffffff", "9217c6ffffffff"].map((hex) => Uint8Array.fromHex(hex))],
});

const shapeRefusals: readonly (readonly [string, string])[] = [
  ["80", "$"], // a map for a frame
  ["90", "$"],
  ["c0", "$"],
  ["9213d40100", "$"], // an extension type
  ["9213c70101ff", "$"],
  ["9313017f", "$.heads"],
  ["9413019001", "$.2"], // a field too many
  ["9213cb7ff8000000000000", "$.id"], // NaN
  ["9213cb3ff8000000000000", "$.id"], // 1.5
  ["9213cf0020000000000000", "$.id"], // 2^53
  ["9213d3ffffffffffffffff", "$.id"],
  ["920a81a16101", "$.upTo"], // a map for a list
];

describe("msgpack codec", () => {
  test.each(shapeRefusals)("decode(%s) is badFrameShape at %s", (hex, at) => {
    expect(msgpackCodec.decode(Uint8Array.fromHex(hex), limits)).toMatchObject({ ok: false, code: "badFrameShape", at });
  });

  test.each(["921301", "9213cc01", "9213cd0001", "9213ce00000001", "9213cf0000000000000001", "9213d001", "9213d30000000000000001", "9213ca3f800000", "9213cb3ff0000000000000", "931301c0"])(
    "decode(%s) takes an integer in any number form, and nil for absent",
    (hex) => {
      expect(msgpackCodec.decode(Uint8Array.fromHex(hex), limits)).toStrictEqual({ ok: true, frame: { type: "ping", id: 1 } });
    },
  );

  test("encode() writes plain MessagePack that a library reads as lists, text, bytes and integers", () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const check = (value: unknown): void => {
          if (Array.isArray(value)) value.forEach(check);
          else if (value instanceof Map) for (const [name, text] of value) expect([typeof name, typeof text]).toEqual(["string", "string"]);
          else expect(value === null || value instanceof Uint8Array || ["string", "number", "boolean"].includes(typeof value)).toBe(true);
        };
        check(unpackr.unpack(msgpackCodec.encode(frame) as Uint8Array));
      }),
    );
  });

  test("encode() writes an integer above 2^32 as uint64, never as a float", () => {
    expect((msgpackCodec.encode({ type: "ping", id: 2 ** 32 + 1 }) as Uint8Array).toHex()).toBe("9213cf0000000100000001");
    expect((msgpackCodec.encode({ type: "ping", id: 2 ** 53 - 1 }) as Uint8Array).toHex()).toBe("9213cf001fffffffffffff");
  });

  test("encode() throws for a number that the wire cannot hold, and encodes the next frame rightly", () => {
    expect(() => msgpackCodec.encode({ type: "pong", id: -1 })).toThrow("-1 is not a safe integer from 0");
    expect((msgpackCodec.encode({ type: "ping", id: 1 }) as Uint8Array).toHex()).toBe("921301");
  });

  test("encodeDeliverMsgpack() of encoded records makes the bytes of encode()", () => {
    fc.assert(
      fc.property(framesOf("deliver") as fc.Arbitrary<Deliver>, ({ attempt: _, ...deliver }) => {
        expect(encodeDeliverMsgpack(deliver, deliver.records.map(encodeRecordMsgpack))).toEqual(msgpackCodec.encode(deliver) as Uint8Array);
      }),
    );
  });
});
