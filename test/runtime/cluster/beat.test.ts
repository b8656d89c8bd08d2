import { expect, test } from "bun:test";
import { type Beat, decodeBeat, encodeBeat, overlap } from "../../../src/runtime/cluster/beat.ts";

const beat: Beat = {
  ...{ node: "n1", incarnation: "i1", url: "ws://n1/", http: "http://n1", version: "1.0.0", weight: 0.5 },
  ...{ protocol: { min: 1, max: 2 }, startedAt: 1_700_000_000_000, status: "healthy", cause: "takes clients" },
  load: {
    ...{ connections: 3, sessions: 4, cpu: 0.25, loopDelayMs: 2, residentBytes: 5_000_000_000 },
    ...{ bytesInPerSecond: 1.5, bytesOutPerSecond: 2.5 },
  },
};

test("decodeBeat() gives back what encodeBeat() was given, with and without what may be absent", () => {
  expect(decodeBeat(encodeBeat(beat))).toEqual(beat);
  const more: Beat = {
    ...beat,
    ...{ zone: "eu-1", location: { latitude: -33.9, longitude: 0 } },
    load: { ...beat.load, acceleratorFreeBytes: 0 },
  };
  expect(decodeBeat(encodeBeat(more))).toEqual(more);
});

test("decodeBeat() takes a status that it does not know for unhealthy, and passes over fields that it does not know", () => {
  const strange = encodeBeat({ ...beat, status: "levitating" as never });
  expect(decodeBeat(strange)?.status).toBe("unhealthy");
  const later = new Uint8Array([...encodeBeat(beat), 0xfa, 0x7f, 3, 1, 2, 3]); // field 2047, three bytes
  expect(decodeBeat(later)).toEqual(beat);
});

test("decodeBeat() answers undefined for what is no beat, and for one that is too large", () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array([255, 255]), new TextEncoder().encode('{"at":1}')])
    expect(decodeBeat(bytes)).toBeUndefined();
  expect(decodeBeat(encodeBeat({ ...beat, node: "" }))).toBeUndefined();
  expect(decodeBeat(encodeBeat({ ...beat, cause: "x".repeat(9_000) }))).toBeUndefined();
});

test("overlap() holds where two ranges share a release", () => {
  expect(overlap({ min: 1, max: 1 }, { min: 1, max: 2 })).toBe(true);
  expect(overlap({ min: 2, max: 3 }, { min: 1, max: 2 })).toBe(true);
  expect(overlap({ min: 1, max: 1 }, { min: 2, max: 3 })).toBe(false);
});
