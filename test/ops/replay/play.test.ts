/**
 * Records are played in order, each once, as far apart as they were.
 */
import { describe, expect, test } from "bun:test";
import { playRecords } from "../../../src/ops/replay/play.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** Three records at 0, 100 and 1 100 ms. */
async function recorded() {
  const clock = new ManualClock();
  const log = openMemoryLog({ clock, epoch: "e" });
  for (const [i, afterMs] of [0, 100, 1_000].entries()) {
    clock.advance(afterMs);
    const appended = log.append({ records: [{ topic: "a.b", id: String(i), lane: 2, payload: new Uint8Array(10) }] });
    clock.advance(0);
    await appended;
  }
  return { log, startsAt: clock.now() - 1_100 };
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

describe("playRecords()", () => {
  test("at speed 1 keeps the spacing, at speed 10 a tenth of it", async () => {
    for (const [speed, ms] of [
      [1, 1],
      [10, 0.1],
    ] as const) {
      const { log } = await recorded();
      const clock = new ManualClock();
      const begin = clock.now();
      const seen: (readonly [number, number])[] = [];
      const playing = playRecords(log, { filter: ">", pace: speed, clock }, (records) => {
        for (const { seq } of records) seen.push([seq, clock.now() - begin]);
      });
      for (let i = 0; i < 1_200; i += 10) await pass(clock, 10 * ms);
      expect(await playing).toEqual({ records: 3, bytes: 30 });
      expect(seen.map(([seq]) => seq)).toEqual([1, 2, 3]);
      for (const [i, at] of [0, 100 * ms, 1_100 * ms].entries()) {
        expect(seen[i]?.[1]).toBeGreaterThanOrEqual(at);
        expect(seen[i]?.[1]).toBeLessThanOrEqual(at + 10);
      }
    }
  });

  test("at max waits for nothing, and for the sink alone", async () => {
    const { log } = await recorded();
    let busy = 0;
    const played = await playRecords(log, { filter: ">", pace: "max", clock: new ManualClock() }, async () => {
      expect(++busy).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      busy--;
    });
    expect(played.records).toBe(3);
  });

  test("in steps plays one record with each, and ends when asked", async () => {
    const { log } = await recorded();
    const seen: number[] = [];
    let steps = 0;
    const pace = async (): Promise<boolean> => ++steps <= 2;
    await playRecords(log, { filter: ">", pace, clock: new ManualClock() }, (records) => {
      for (const { seq } of records) seen.push(seq);
    });
    expect(seen).toEqual([1, 2]);
  });

  test("takes a range by time", async () => {
    const { log, startsAt } = await recorded();
    const seen: number[] = [];
    const range = { from: startsAt + 1, until: startsAt + 100 };
    await playRecords(log, { filter: ">", pace: "max", clock: new ManualClock(), ...range }, (records) => {
      for (const { seq } of records) seen.push(seq);
    });
    expect(seen).toEqual([2]);
  });
});
