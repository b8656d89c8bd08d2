import { describe, expect, test } from "bun:test";
import { Journal, JournalLost } from "../../src/runtime/journal.ts";
import type { EventLog, JournalAppend, LogFailure } from "../../src/runtime/log/event-log.ts";
import { ManualClock } from "../support/manual-clock.ts";

const key = { kind: "k", id: "1" };
const entry = (n: number): Uint8Array => Uint8Array.of(n);
const failure = (code: "conflict" | "unavailable"): LogFailure => ({ ok: false, code, message: code, retryable: true });
type Answer = { readonly ok: true; readonly seq: number } | LogFailure;

/** A journal over appends that the test answers. */
function stage(answer: (request: JournalAppend, call: number) => Answer | Promise<Answer>) {
  const clock = new ManualClock();
  const calls: { readonly at: number; readonly expected: number; readonly entries: number[] }[] = [];
  const journals = {
    append: async (request: JournalAppend) => {
      calls.push({
        at: clock.now(),
        expected: request.expected,
        entries: request.entries.map((data) => data[0] as number),
      });
      return answer(request, calls.length);
    },
  };
  const journal = new Journal({ journals } as unknown as EventLog, clock, { key, seq: 0 });
  return { clock, calls, journal };
}
const stored = (request: JournalAppend): Answer => ({ ok: true, seq: request.expected + request.entries.length });

describe("Journal", () => {
  test("writes in order, and what waits meanwhile in one append", async () => {
    const { calls, journal } = stage(stored);
    await Promise.all([1, 2, 3].map((n) => journal.append([entry(n)])));
    expect(calls.map(({ expected, entries }) => [expected, entries])).toEqual([
      [0, [1]],
      [1, [2, 3]],
    ]);
    expect([journal.seq, journal.idle]).toEqual([3, true]);
  });

  test("owe() writes nothing by itself, and goes before what comes next in the same append", async () => {
    const { calls, journal } = stage(stored);
    journal.owe([entry(1)]);
    await journal.settled();
    expect([calls.length, journal.owes, journal.idle]).toEqual([0, true, false]);
    await journal.append([entry(2)]);
    expect(calls.map(({ expected, entries }) => [expected, entries])).toEqual([[0, [1, 2]]]);
    expect([journal.seq, journal.owes, journal.idle]).toEqual([2, false, true]);
  });

  test("is lost for good at a conflict", async () => {
    const { calls, journal } = stage(() => failure("conflict"));
    const appends = [1, 2].map((n) => journal.append([entry(n)]).catch((error: JournalLost) => error.because));
    expect(await Promise.all(appends)).toEqual(["conflict", "conflict"]);
    await expect(journal.append([entry(3)])).rejects.toBeInstanceOf(JournalLost);
    expect(calls).toHaveLength(1);
  });

  test("tries again after a doubled delay each time, and gives up after eight tries", async () => {
    const { clock, calls, journal } = stage(() => failure("unavailable"));
    const outcome = journal.append([entry(1)]).catch((error: JournalLost) => error.because);
    const begun = clock.now();
    for (let turn = 0; turn < 20; turn++) {
      await new Promise(setImmediate);
      clock.advance(50 * 2 ** turn);
    }
    expect(await outcome).toBe("unavailable");
    expect(calls.map(({ at }) => at - begun)).toEqual([0, 50, 150, 350, 750, 1_550, 3_150, 6_350]);
  });

  test("does a step after what waits; a refusal other than conflict leaves it as it was", async () => {
    const { calls, journal } = stage(stored);
    const before = journal.append([entry(1)]);
    const step = await journal.step([entry(2)], async ({ expected }) => {
      expect([expected, calls.length]).toEqual([1, 1]);
      return { ok: false, code: "full", message: "Full", retryable: true };
    });
    await before;
    expect([step.ok, journal.seq]).toEqual([false, 1]);
    await journal.append([entry(3)]);
    expect(journal.seq).toBe(2);
  });
});
