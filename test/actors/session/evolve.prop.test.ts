import { expect, test } from "bun:test";
import fc from "fast-check";
import { evolve } from "../../../src/actors/session/evolve.ts";
import { decodeAnyEvent, decodeEvent, encodeEvent } from "../../../src/actors/session/persist.ts";
import { readHotEvent } from "../../../src/actors/session/persist-hot.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../src/runtime/session/snapshot.ts";
import { fold } from "../../support/decider-spec.ts";
import { anyEvent, at, opened, subscribed } from "../../support/session-events.ts";

test("readHotEvent() reads as the general decoder does, or leaves it to that one", () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const data = encodeEvent(event);
      expect(readHotEvent(data) ?? event).toEqual(decodeAnyEvent(data));
    }),
  );
  const usual = encodeEvent({ type: "Acknowledged", at, filters: [{ filter: "a.>", positions: [1, 2, 3, 2 ** 50] }] });
  expect(readHotEvent(usual)).toEqual(decodeAnyEvent(usual));
  for (let cut = 0; cut < usual.length; cut++) expect(readHotEvent(usual.subarray(0, cut))).toBeUndefined();
});

test("decodeEvent() gives back what encodeEvent() stored, whatever the event", () => {
  fc.assert(fc.property(anyEvent, (event) => expect(decodeEvent(encodeEvent(event))).toEqual(event)));
});

test("evolve() refuses nothing and leaves the state it was given alone", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), anyEvent, (history, event) => {
      const state = fold(history);
      const before = encodeSnapshot(state);
      evolve(state, event);
      expect(encodeSnapshot(state)).toEqual(before);
    }),
  );
});

test("a snapshot plus the newer events equals the fold of all of them, wherever it was taken", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), fc.nat(), (history, cut) => {
      const at = cut % (history.length + 1);
      const restored = decodeSnapshot(encodeSnapshot(fold(history.slice(0, at))));
      expect(restored).toBeDefined();
      if (restored !== undefined) expect(history.slice(at).reduce(evolve, restored)).toEqual(fold(history));
    }),
  );
});

test("positions and numbers only move forward", () => {
  const state = fold([
    opened,
    subscribed("a.>", [5, 5, 5, 5]),
    { type: "Acknowledged", at: 1, filters: [{ filter: "a.>", positions: [9, 1, 9, 1] }] },
    { type: "PublishedUpTo", at: 1, n: 7 },
    { type: "PublishedUpTo", at: 1, n: 3 },
  ]);
  expect(state.subscriptions.get("a.>")?.positions).toEqual([9, 5, 9, 5]);
  expect(state.publishedUpTo).toBe(7);
});
