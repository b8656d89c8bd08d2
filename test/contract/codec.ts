/**
 * What every codec promises, whatever its bytes look like. Each codec's own test runs this suite.
 * @module
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Codec, DecodeFailure, DecodeLimit } from "../../src/protocol/codec.ts";
import type { Deliver, Frame, Publish } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import { frames, framesOf, frameTypes, fullFrame } from "../support/arbitraries.ts";

export type Wire = Uint8Array | string;
export type Corrupted = { readonly at: string; readonly data: Wire };

export type CodecUnderTest = {
  readonly codec: Codec;
  /** The encoded frame with a value of a wrong type, once for each field at any depth (`at`: its path). */
  corrupted(frame: Frame): readonly Corrupted[];
  /** Not of the format at all. */
  readonly malformed: readonly Wire[];
  /** Of the format, but no frame that is known. */
  readonly unknown: readonly Wire[];
  /** As deep, or as long, as an attacker can claim in one frame. */
  readonly bombs: readonly Wire[];
};

const record = { topic: "a.b", payload: new Uint8Array([1, 2, 3]), headers: { name: "value" } };
const publish: Publish = { type: "publish", first: 1, records: [record, record, record] };

export function codecContract(under: CodecUnderTest): void {
  roundTrips(under);
  bounds(under);
  refusals(under);
}

function roundTrips({ codec }: CodecUnderTest): void {
  describe(`${codec.name} codec, there and back`, () => {
    test.each(frameTypes)("decode() answers the %s that encode() was given", (type) => {
      fc.assert(
        fc.property(framesOf(type), (frame) =>
          expect(codec.decode(codec.encode(frame), limits)).toStrictEqual({ ok: true, frame }),
        ),
        { numRuns: 150 },
      );
    });

    test("encode() answers text or bytes as the codec says", () => {
      expect(typeof codec.encode(publish) === "string").toBe(codec.text);
    });

    test("encode() leaves what it answered before as it was", () => {
      fc.assert(
        fc.property(frames, frames, (one, other) => {
          const first = codec.encode(one);
          const copy = typeof first === "string" ? first : first.slice();
          codec.encode(other);
          expect(first).toEqual(copy);
        }),
      );
    });

    test("encode() leaves out an optional list and headers that are empty", () => {
      const deliver: Deliver = { type: "deliver", chain: 1, prev: 0, records: [] };
      expect(codec.decode(codec.encode({ type: "ping", id: 1, heads: [] }), limits)).toStrictEqual({
        ok: true,
        frame: { type: "ping", id: 1 },
      });
      expect(codec.decode(codec.encode(deliver), limits)).toStrictEqual({ ok: true, frame: deliver });
      const bare = { topic: "a", payload: new Uint8Array() };
      const answer = codec.decode(codec.encode({ type: "publish", records: [{ ...bare, headers: {} }] }), limits);
      expect(answer).toStrictEqual({ ok: true, frame: { type: "publish", records: [bare] } });
    });

    test("decode() makes a header named __proto__ a header like any other", () => {
      const headers = JSON.parse('{"__proto__":"x","constructor":"y"}');
      const answer = codec.decode(
        codec.encode({ type: "publish", records: [{ topic: "a", payload: new Uint8Array(), headers }] }),
        limits,
      );
      const got = answer.ok && answer.frame.type === "publish" ? answer.frame.records[0]?.headers : undefined;
      expect(Object.entries(got ?? {})).toEqual([
        ["__proto__", "x"],
        ["constructor", "y"],
      ]);
    });

    test("a binary payload is a view into the frame's bytes", () => {
      const data = codec.encode(publish);
      const answer = codec.decode(data, limits);
      const payload = answer.ok && answer.frame.type === "publish" ? answer.frame.records[0]?.payload : undefined;
      expect(payload).toEqual(record.payload);
      if (typeof data !== "string") expect(payload?.buffer).toBe(data.buffer);
    });
  });
}

function bounds({ codec }: CodecUnderTest): void {
  const decoded = (frame: Frame, limit: DecodeLimit, value: number) =>
    codec.decode(codec.encode(frame), { ...limits, [limit]: value });

  describe(`${codec.name} codec, bounds`, () => {
    test("frameBytesMax holds to the byte", () => {
      const data = codec.encode(fullFrame("welcome"));
      const bytes = typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
      expect(codec.decode(data, { ...limits, frameBytesMax: bytes }).ok).toBe(true);
      expect(codec.decode(data, { ...limits, frameBytesMax: bytes - 1 })).toMatchObject({
        ok: false,
        code: "frameTooLarge",
        at: "$",
      });
    });

    test.each([
      ["listItemsMax", publish, 3],
      ["topicBytesMax", { type: "subscribe", ref: 1, filter: "é.é" }, 5],
      ["textBytesMax", { type: "nak", chain: 1, seq: 1, reason: "€€" }, 6],
      ["tokenBytesMax", { type: "auth", token: "abcd" }, 4],
    ] as const satisfies readonly (readonly [DecodeLimit, Frame, number])[])(
      "%s holds to the item or byte",
      (limit, frame, value) => {
        expect(decoded(frame, limit, value)).toStrictEqual({ ok: true, frame });
        expect(decoded(frame, limit, value - 1)).toMatchObject({ ok: false, code: "badFrameShape" });
      },
    );

    test("frameDepthMax refuses a frame that nests deeper", () => {
      expect(decoded(publish, "frameDepthMax", 4)).toMatchObject({ ok: true });
      expect(decoded(publish, "frameDepthMax", 2)).toMatchObject({ ok: false, code: "frameTooDeep" });
    });
  });
}

function refusals(under: CodecUnderTest): void {
  const { codec } = under;
  const refused = (data: Wire): DecodeFailure | undefined => {
    const answer = codec.decode(data, limits);
    return answer.ok ? undefined : answer;
  };

  describe(`${codec.name} codec, refusals`, () => {
    test("decode() refuses a message of the other kind, and an empty one", () => {
      expect(refused(codec.text ? new Uint8Array([1]) : "{}")).toMatchObject({ code: "malformedFrame", at: "$" });
      expect(refused(codec.text ? "" : new Uint8Array())).toMatchObject({ at: "$" });
    });

    test("decode() says malformedFrame for what is not of the format", () => {
      expect(under.malformed.map((data) => refused(data)?.code)).toEqual(under.malformed.map(() => "malformedFrame"));
    });

    test("decode() says unknownFrame for a frame that is not in the table", () => {
      expect(under.unknown.map((data) => refused(data)?.code)).toEqual(under.unknown.map(() => "unknownFrame"));
    });

    test("a refusal fits in an ERROR frame, whatever the peer wrote", () => {
      const nak: Frame = { type: "nak", chain: 1, seq: 1, reason: "🙂".repeat(500) };
      const subscribe: Frame = { type: "subscribe", ref: 1, filter: "é🙂".repeat(200) };
      for (const frame of [nak, subscribe] satisfies Frame[]) {
        const { at, message } = refused(codec.encode(frame)) as DecodeFailure;
        const error: Frame = {
          type: "error",
          code: 104,
          cause: "badFrameShape",
          message: `${at}: ${message}`,
          retryable: false,
        };
        expect(codec.decode(codec.encode(error), { ...limits, textBytesMax: 512 })).toStrictEqual({
          ok: true,
          frame: error,
        });
      }
    });

    test("a refusal names the ref of a frame in which it can be read, and of no other", () => {
      const bad = { type: "subscribe", ref: 7, filter: "x".repeat(300) } as const;
      expect(refused(codec.encode(bad))).toMatchObject({ code: "badFrameShape", at: "$.filter", ref: 7 });
      expect(refused(codec.encode({ ...bad, ref: 0 }))?.ref).toBeUndefined();
      expect(refused(codec.encode({ type: "nak", chain: 1, seq: 1, reason: "x".repeat(2_000) }))?.ref).toBeUndefined();
    });

    test("a topic or header of any length is read: whether it may be published is judged record by record", () => {
      const long = "x".repeat(20_000);
      const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, long]));
      const frame: Frame = { type: "publish", records: [{ topic: long, payload: new Uint8Array(), headers }] };
      const roomy = { ...limits, frameBytesMax: 4_000_000 };
      expect(codec.decode(codec.encode(frame), roomy)).toStrictEqual({ ok: true, frame });
    });

    test("decode() refuses what claims to be endlessly deep or long, without following it", () => {
      expect(under.bombs.length).toBeGreaterThan(0);
      for (const bomb of under.bombs) {
        const before = process.memoryUsage().rss;
        expect(refused(bomb)?.ok).toBe(false);
        expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_048_576);
      }
    });

    test.each(frameTypes)("decode() names the field of a %s that has a wrong type", (type) => {
      const corrupted = under.corrupted(fullFrame(type));
      expect(corrupted.length).toBeGreaterThan(0);
      for (const { at, data } of corrupted) {
        const failure = refused(data);
        expect({ type, at, failed: failure?.code, there: failure?.at.startsWith(at) ? at : failure?.at }).toEqual({
          type,
          at,
          failed: "badFrameShape",
          there: at,
        });
      }
    });

    test.each(frameTypes)(
      "decode() never throws for a %s cut short, and accepts only what it can say again",
      (type) => {
        const data = codec.encode(fullFrame(type));
        for (let length = 0; length < data.length; length++) {
          const answer = codec.decode(data.slice(0, length), limits);
          if (answer.ok) expect(codec.decode(codec.encode(answer.frame), limits)).toStrictEqual(answer);
          else expect(answer.message).not.toBe("");
        }
      },
    );
  });
}
