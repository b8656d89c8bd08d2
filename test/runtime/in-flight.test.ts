import { expect, test } from "bun:test";
import { InFlight } from "../../src/runtime/in-flight.ts";

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
