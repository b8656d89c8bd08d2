import { expect, test } from "bun:test";
import fc from "fast-check";
import type { DeliveredRecord } from "../../src/protocol/frame.ts";
import { InFlight, piecesOf } from "../../src/runtime/in-flight.ts";

test("InFlight gives a piece back when its end is acknowledged, not before, and lane by lane", () => {
  const inFlight = new InFlight();
  inFlight.push(2, { upTo: 5, records: 3, bytes: 30 });
  inFlight.push(2, { upTo: 9, records: 2, bytes: 20 });
  inFlight.push(0, { upTo: 7, records: 1, bytes: 10 });
  inFlight.settle(2, 8);
  expect([inFlight.records, inFlight.bytes, inFlight.has(2), inFlight.has(0), inFlight.has(1)]).toEqual([
    3,
    30,
    true,
    true,
    false,
  ]);
  inFlight.settle(2, 9);
  expect([inFlight.records, inFlight.bytes, inFlight.has(2)]).toEqual([1, 10, false]);
});

test("InFlight takes back what ends after a position, and keeps what ends there", () => {
  const inFlight = new InFlight();
  for (const upTo of [3, 6, 9]) inFlight.push(1, { upTo, records: 1, bytes: upTo });
  inFlight.takeBack(1, 6);
  expect([inFlight.records, inFlight.bytes]).toEqual([2, 9]);
});

test("piecesOf() cuts records into pieces of at most a sixteenth of the whole, one larger record aside, and loses none", () => {
  const record = (seq: number, bytes: number): DeliveredRecord => ({
    ...{ seq, time: 0, topic: "t", id: "", lane: 2 },
    payload: new Uint8Array(bytes),
  });
  const property = fc.property(
    fc.array(fc.nat(200), { minLength: 1, maxLength: 60 }),
    fc.record({ records: fc.integer({ min: 1, max: 100 }), bytes: fc.integer({ min: 1, max: 20_000 }) }),
    (sizes, whole) => {
      const records = sizes.map((bytes, i) => record(i * 2 + 1, bytes));
      const pieces = [...piecesOf(records, whole)];
      expect(pieces.at(-1)?.upTo).toBe(records.at(-1)?.seq as number);
      expect(pieces.reduce((sum, piece) => sum + piece.records, 0)).toBe(records.length);
      expect(pieces.reduce((sum, piece) => sum + piece.bytes, 0)).toBe(sizes.reduce((sum, size) => sum + size + 33, 0));
      for (const piece of pieces)
        if (piece.records > 1) {
          expect(piece.records * 16).toBeLessThanOrEqual(whole.records);
          expect(piece.bytes * 16).toBeLessThanOrEqual(whole.bytes);
        }
    },
  );
  fc.assert(property);
});
