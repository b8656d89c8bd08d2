/**
 * What every log that has transactions does with steps: each is done once, and whole. One that has none refuses them.
 * @module
 */
import { describe, expect, test } from "bun:test";
import type { AppendRequest } from "../../src/runtime/log/event-log.ts";
import { newRecord } from "../runtime/log/new-record.ts";
import { bytes, type LogUnderTest, refused, stored } from "./event-log-fixture.ts";

export function noStepsContract(at: LogUnderTest): void {
  test("append() refuses a step of several records, and says what it takes", async () => {
    const step = { records: [newRecord("a"), newRecord("b")], once: { producer: "s", key: "tx/1" } };
    const failure = refused(await at.log.append(step));
    expect([failure.retryable, failure.message]).toEqual([false, expect.stringContaining("2.12.2")]);
    expect(await at.read()).toEqual([]);
  });
  test("append() does a step of one record once, and writes its journal", async () => {
    const key = { kind: "session", id: "s" };
    const step = { records: [newRecord("a")], once: { producer: "s", key: "dead/1" } };
    const journal = { key, expected: 0, entries: [bytes(1)] };
    expect(stored(await at.log.append({ ...step, journal }))).toMatchObject({ seqs: [1], journalSeq: 1 });
    expect((await at.log.append({ ...step, journal })).ok).toBe(false);
    expect([(await at.read()).length, await at.log.journals.lastSeq(key)]).toEqual([1, 1]);
  });
}

export function stepsContract(at: LogUnderTest): void {
  describe("steps done once", () => {
    const step = (key: string, ...topics: string[]): AppendRequest => ({
      records: topics.map((topic) => newRecord(topic)),
      once: { producer: "s", key },
    });

    test("append() does a step once and then answers its first and last seq", async () => {
      await at.log.append({ records: [newRecord("x")] });
      expect(stored(await at.log.append(step("tx/1", "a", "b", "c"))).seqs).toEqual([2, 3, 4]);
      expect(stored(await at.log.append(step("tx/1", "a", "b", "c")))).toEqual({
        ok: true,
        seqs: [2, 4],
        duplicate: true,
      });
      expect(at.log.info().lastSeq).toBe(4);
    });
    test("append() knows a step that is still being flushed", async () => {
      const [first, second] = await Promise.all([at.log.append(step("tx/1", "a")), at.log.append(step("tx/1", "a"))]);
      expect([stored(first).duplicate, stored(second).duplicate]).toEqual([false, true]);
    });
    test("append() knows a step after a reopen", async () => {
      await at.log.append(step("tx/1", "a", "b"));
      await at.reopen();
      expect(stored(await at.log.append(step("tx/1", "a", "b")))).toEqual({ ok: true, seqs: [1, 2], duplicate: true });
    });
    test("append() does steps of other keys and producers", async () => {
      await at.log.append(step("tx/1", "a"));
      expect(stored(await at.log.append(step("tx/2", "a"))).duplicate).toBe(false);
      expect(
        stored(await at.log.append({ records: [newRecord("a")], once: { producer: "t", key: "tx/1" } })).duplicate,
      ).toBe(false);
    });
    test("forgetProducer() forgets the producer's steps and nobody else's", async () => {
      await at.log.append(step("tx/1", "a"));
      await at.log.append({ records: [newRecord("a")], once: { producer: "s2", key: "tx/1" } });
      await at.log.forgetProducer("s");
      expect(stored(await at.log.append(step("tx/1", "a"))).duplicate).toBe(false);
      expect(
        stored(await at.log.append({ records: [newRecord("a")], once: { producer: "s2", key: "tx/1" } })).duplicate,
      ).toBe(true);
    });
  });

  describe("one step of everything", () => {
    const key = { kind: "session", id: "s" };
    const combined = (overrides: Partial<AppendRequest> = {}): AppendRequest => ({
      records: [newRecord("a", "1"), newRecord("b", "2")],
      numbered: { producer: "s", after: 0, numbers: [1, 2] },
      once: { producer: "s", key: "tx/1" },
      journal: { key, expected: 0, entries: [bytes(7)] },
      ...overrides,
    });
    async function expectNothing(): Promise<void> {
      expect(await at.read()).toEqual([]);
      expect(await at.log.producerMark("s")).toBeUndefined();
      expect(await at.log.journals.lastSeq(key)).toBe(0);
      expect(stored(await at.log.append({ records: [], once: { producer: "s", key: "tx/1" } })).duplicate).toBe(false);
    }

    test("append() stores records, mark, step and journal together", async () => {
      expect(stored(await at.log.append(combined()))).toEqual({
        ok: true,
        seqs: [1, 2],
        duplicate: false,
        journalSeq: 1,
      });
      expect(await at.log.producerMark("s")).toBe(2);
      expect(await at.log.journals.lastSeq(key)).toBe(1);
      expect(stored(await at.log.append(combined()))).toEqual({ ok: true, seqs: [1, 2], duplicate: true });
    });
    test("append() stores nothing when the journal is elsewhere", async () => {
      expect(refused(await at.log.append(combined({ journal: { key, expected: 3, entries: [bytes(7)] } }))).code).toBe(
        "conflict",
      );
      await expectNothing();
    });
    test("append() stores nothing when a number is out of order", async () => {
      expect(
        refused(await at.log.append(combined({ numbered: { producer: "s", after: 7, numbers: [8, 9] } }))).code,
      ).toBe("outOfOrder");
      await expectNothing();
    });
    test("append() writes a journal without records", async () => {
      const result = await at.log.append({ records: [], journal: { key, expected: 0, entries: [bytes(1)] } });
      expect(stored(result)).toEqual({ ok: true, seqs: [], duplicate: false, journalSeq: 1 });
      expect(at.log.info().lastSeq).toBe(0);
    });
  });

  describe("trim", () => {
    test("leaves marks and steps as they were", async () => {
      await at.log.append({
        records: [newRecord("a")],
        numbered: { producer: "p", after: 0, numbers: [1] },
        once: { producer: "p", key: "k" },
      });
      await at.fill(["b", "c"]);
      await at.log.trim({ ageMs: 0, bytes: 0, records: 1 });
      await at.reopen();
      expect(await at.log.producerMark("p")).toBe(1);
      expect(
        stored(await at.log.append({ records: [newRecord("a")], once: { producer: "p", key: "k" } })).duplicate,
      ).toBe(true);
    });
  });
}
