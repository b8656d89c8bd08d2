import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { allFrames, frameShapes } from "../../src/protocol/all-frames.ts";
import { decodeAnyMsgpack, encodeAnyMsgpack } from "../../src/protocol/codec-msgpack.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Deliver, Frame, Publish } from "../../src/protocol/frame.ts";
import type { Lane } from "../../src/protocol/lane.ts";
import { limits } from "../../src/protocol/limits.ts";
import { decodeHotMsgpack, type HotFrame } from "../../src/protocol/msgpack-hot.ts";
import type { Kind } from "../../src/protocol/shape.ts";
import { vocabularyOf } from "../../src/protocol/vocabulary.ts";
import type { Corrupted } from "../contract/codec.ts";
import { codecContract } from "../contract/codec.ts";
import { frames, framesOf } from "../support/arbitraries.ts";
import { below, mutateBytes, seeded } from "../support/mutate.ts";

const msgpackCodec = codecs.msgpack;
const vocabulary = vocabularyOf(allFrames);

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
    if (kind.is === "object")
      kind.shape.fields.forEach((field, inner) => {
        if (value[inner] != null) visit(value, inner, { at: `${at}.${field.name}`, kind: field.kind });
      });
    if (kind.is === "list")
      value.forEach((_item, inner) => {
        visit(value, inner, { at: `${at}[${inner}]`, kind: kind.of });
      });
  };
  frameShapes[frame.type].fields.forEach((field, index) => {
    visit(tree, index + 1, { at: `$.${field.name}`, kind: field.kind });
  });
  return found;
}

codecContract({
  codec: msgpackCodec,
  corrupted,
  malformed: [
    "c1",
    "92",
    "9213",
    "93a1",
    "9213c1",
    "92130101",
    "9217a1ff",
    "9217a3eda080",
    "dc",
    "9217db00000004616161",
  ].map((hex) => Uint8Array.fromHex(hex)),
  unknown: ["9130", "9100", "91a470696e67", "91c0", "91cb4033800000000000"].map((hex) => Uint8Array.fromHex(hex)),
  bombs: [
    new Uint8Array(200_000).fill(0x91),
    ...["ddffffffff", "9203ddffffffff", "dfffffffff", "9217dbffffffff", "9217c6ffffffff"].map((hex) =>
      Uint8Array.fromHex(hex),
    ),
  ],
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

/** DELIVER and PUBLISH in their usual form, with what is just outside of it. */
const usualText = fc.oneof(
  fc.constantFrom(
    "orders.eu.42",
    "a",
    "é",
    "x".repeat(70),
    "session/tx/4/1",
    "s/01",
    "s/",
    "/7",
    "s/123456789012345",
    "s/1234567890123456",
  ),
  fc.string({ maxLength: 12 }),
);
const payload = fc.uint8Array({ maxLength: 300 });
const lane = fc.constantFrom<Lane>(0, 1, 2, 3);
const seq = fc.oneof(fc.nat(), fc.maxSafeNat());
const usualFrames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record(
    {
      type: fc.constant("publish" as const),
      first: seq,
      settled: seq,
      tx: seq,
      records: fc.array(fc.record({ topic: usualText, payload, lane }, { requiredKeys: ["topic", "payload"] }), {
        maxLength: 20,
      }),
    },
    { requiredKeys: ["type", "records"] },
  ),
  fc.record(
    {
      type: fc.constant("deliver" as const),
      chain: seq,
      prev: seq,
      upTo: seq,
      attempt: seq,
      records: fc.array(fc.record({ seq, time: seq, topic: usualText, id: usualText, lane, payload }), {
        maxLength: 20,
      }),
    },
    { requiredKeys: ["type", "chain", "prev", "records"] },
  ),
);

describe("msgpack codec, the short way", () => {
  test("decodeHotMsgpack() answers what the general way answers, or leaves it to it", () => {
    fc.assert(
      fc.property(usualFrames, (frame) => {
        const data = msgpackCodec.encode(frame) as Uint8Array;
        const hot = decodeHotMsgpack(data, limits);
        expect(hot ?? frame).toStrictEqual(frame as HotFrame);
        expect(decodeAnyMsgpack(data, limits, vocabulary)).toStrictEqual(frame);
      }),
      { numRuns: 500 },
    );
  });

  test("decodeHotMsgpack() takes a usual PUBLISH and DELIVER", () => {
    const record = { topic: "orders.eu.42", payload: new Uint8Array(200) };
    const publish: Publish = { type: "publish", records: [record, { ...record, lane: 1 }], first: 300 };
    const delivered = {
      ...record,
      seq: 70_000,
      time: 1_790_000_000_000,
      id: "V1StGXR8Z5jdHi6BmyT0aQ/12",
      lane: 2 as const,
    };
    const deliver: Deliver = {
      type: "deliver",
      chain: 3,
      prev: 69_999,
      records: [delivered, { ...delivered, id: "V1StGXR8Z5jdHi6BmyT0aQ/tx/1/0" }],
    };
    for (const frame of [publish, deliver])
      expect(decodeHotMsgpack(msgpackCodec.encode(frame) as Uint8Array, limits)).toStrictEqual(frame);
  });

  test("decodeHotMsgpack() accepts no damaged frame that the general way refuses or reads otherwise", () => {
    const random = seeded(7);
    const encoded = fc
      .sample(usualFrames, { seed: 7, numRuns: 200 })
      .map((frame) => msgpackCodec.encode(frame) as Uint8Array);
    const tight = { ...limits, listItemsMax: 18, topicBytesMax: 40, textBytesMax: 40 };
    let taken = 0;
    for (let run = 0; run < 20_000; run++) {
      const [one, other] = [encoded[below(random, 200)] as Uint8Array, encoded[below(random, 200)] as Uint8Array];
      const data = mutateBytes(one, other, random);
      const bounds = run % 2 === 0 ? limits : tight;
      const hot = decodeHotMsgpack(data, bounds);
      if (hot === undefined) continue;
      taken += 1;
      if (!Bun.deepEquals(decodeAnyMsgpack(data, bounds, vocabulary), hot, true))
        throw new Error(`The two ways differ for ${data.toHex()}`);
    }
    expect(taken).toBeGreaterThan(300);
  });
});

describe("msgpack codec", () => {
  test.each(shapeRefusals)("decode(%s) is badFrameShape at %s", (hex, at) => {
    expect(msgpackCodec.decode(Uint8Array.fromHex(hex), limits)).toMatchObject({
      ok: false,
      code: "badFrameShape",
      at,
    });
  });

  test.each([
    "921301",
    "9213cc01",
    "9213cd0001",
    "9213ce00000001",
    "9213cf0000000000000001",
    "9213d001",
    "9213d30000000000000001",
    "9213ca3f800000",
    "9213cb3ff0000000000000",
    "931301c0",
  ])("decode(%s) takes an integer in any number form, and nil for absent", (hex) => {
    expect(msgpackCodec.decode(Uint8Array.fromHex(hex), limits)).toStrictEqual({
      ok: true,
      frame: { type: "ping", id: 1 },
    });
  });

  test("encode() writes plain MessagePack that a library reads as lists, text, bytes and integers", () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const check = (value: unknown): void => {
          if (Array.isArray(value)) value.forEach(check);
          else if (value instanceof Map)
            for (const [name, text] of value) expect([typeof name, typeof text]).toEqual(["string", "string"]);
          else
            expect(
              value === null || value instanceof Uint8Array || ["string", "number", "boolean"].includes(typeof value),
            ).toBe(true);
        };
        check(unpackr.unpack(msgpackCodec.encode(frame) as Uint8Array));
      }),
    );
  });

  test("encode() writes an integer above 2^32 as uint64, never as a float", () => {
    expect((msgpackCodec.encode({ type: "ping", id: 2 ** 32 + 1 }) as Uint8Array).toHex()).toBe(
      "9213cf0000000100000001",
    );
    expect((msgpackCodec.encode({ type: "ping", id: 2 ** 53 - 1 }) as Uint8Array).toHex()).toBe(
      "9213cf001fffffffffffff",
    );
  });

  test("encode() throws for a number that the wire cannot hold, and encodes the next frame rightly", () => {
    expect(() => msgpackCodec.encode({ type: "pong", id: -1 })).toThrow("-1 is not a safe integer from 0");
    expect((msgpackCodec.encode({ type: "ping", id: 1 }) as Uint8Array).toHex()).toBe("921301");
  });

  test("encode() of DELIVER by hand makes the bytes that the table makes", () => {
    fc.assert(
      fc.property(framesOf("deliver") as fc.Arbitrary<Deliver>, (deliver) => {
        expect(msgpackCodec.encode(deliver)).toEqual(encodeAnyMsgpack(deliver, vocabulary));
      }),
    );
  });
});
