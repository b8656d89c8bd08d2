/**
 * What every event log does with appends: order and producers.
 * @module
 */
import { describe, expect, test } from "bun:test";
import type { AppendRequest, LogRecord, NewRecord } from "../../src/runtime/log/event-log.ts";
import { newRecord, texts } from "../runtime/log/new-record.ts";
import { bytes, type LogUnderTest, refused, stored } from "./event-log-fixture.ts";

export function appendContract(at: LogUnderTest): void {
  describe("append", () => {
    test("gives seqs from 1 without gaps, in the order of the calls", async () => {
      const results = await Promise.all(
        ["a", "b", "c"].map((topic) => at.log.append({ records: [newRecord(topic), newRecord(topic)] })),
      );
      expect(results.map((result) => stored(result).seqs)).toEqual([
        [1, 2],
        [3, 4],
        [5, 6],
      ]);
    });
    test("stores a record as it was given", async () => {
      const record: NewRecord = {
        topic: "a.ü",
        id: "sitzung-ß/1",
        lane: 0,
        payload: bytes(0, 255, 128),
        headers: { "content-type": "text/plain", ä: "ö" },
      };
      await at.log.append({ records: [record, { ...record, lane: 3, id: "", payload: bytes() }] });
      const [first, second] = await at.read();
      expect(first).toEqual({ ...record, seq: 1, time: expect.any(Number) });
      expect(second).toEqual({ ...record, lane: 3, id: "", payload: bytes(), seq: 2, time: expect.any(Number) });
    });
    test("leaves out headers where there were none", async () => {
      await at.log.append({ records: [newRecord("a")] });
      expect(Object.hasOwn((await at.read())[0] as LogRecord, "headers")).toBe(false);
    });
    test("stores records of several topics in one step, next to each other", async () => {
      const result = await at.log.append({ records: [newRecord("a", "1"), newRecord("b", "2"), newRecord("a", "3")] });
      expect(stored(result)).toEqual({ ok: true, seqs: [1, 2, 3], duplicate: false });
      expect((await at.read()).map((record) => record.topic)).toEqual(["a", "b", "a"]);
    });
    test("gives times that never descend, even when the clock goes back", async () => {
      await at.log.append({ records: [newRecord("a")] });
      await at.advance(-5_000);
      await at.log.append({ records: [newRecord("a")] });
      const [first, second] = await at.read();
      expect(second?.time).toBeGreaterThanOrEqual(first?.time as number);
    });
    test("stores a payload of 512 KiB", async () => {
      const payload = new Uint8Array(524_288).map((_, i) => i % 251);
      await at.log.append({ records: [{ ...newRecord("large"), payload }, newRecord("small", "x")] });
      const records = await at.read();
      expect(records[0]?.payload).toEqual(payload);
      expect(texts(records.slice(1))).toEqual(["x"]);
    });
    test("stores 5 000 records of one request", async () => {
      const records = Array.from({ length: 5_000 }, (_, i) => newRecord(`t.${i % 7}`, String(i)));
      const { seqs: given } = stored(await at.log.append({ records }));
      expect([given[0], given.at(-1)]).toEqual([1, 5_000]);
      expect(texts(await at.read())).toEqual(records.map((_, i) => String(i)));
    });
    test("answers `closed` after close", async () => {
      await at.log.close();
      expect(refused(await at.log.append({ records: [newRecord("a")] })).code).toBe("closed");
    });
    test("close() lets a read and a follow that are under way end in peace", async () => {
      await at.log.append({ records: Array.from({ length: 3_000 }, (_, i) => newRecord(`t.${i % 9}`, String(i))) });
      at.log.follow(0, () => {});
      const read = at.log.read({ filter: "t.*", after: 0, recordsMax: 5_000, bytesMax: 1 << 30 });
      await at.reopen();
      expect((await read).records.length).toBe(3_000);
    });
    test("flushes what was accepted before close", async () => {
      const accepted = at.log.append({ records: [newRecord("a", "kept")] });
      await at.reopen();
      expect(stored(await accepted).seqs).toEqual([1]);
      expect(texts(await at.read())).toEqual(["kept"]);
    });
  });

  describe("producers", () => {
    const numbered = (after: number, ...numbers: number[]): AppendRequest => ({
      records: numbers.map((number) => newRecord("a", String(number))),
      numbered: { producer: "p", after, numbers },
    });

    test("append() stores numbers above the mark and remembers the highest", async () => {
      expect(stored(await at.log.append(numbered(0, 1, 2, 5))).seqs).toEqual([1, 2, 3]);
      expect(await at.log.producerMark("p")).toBe(5);
    });
    test("append() does not store a number twice", async () => {
      await at.log.append(numbered(0, 1, 2));
      expect(stored(await at.log.append(numbered(0, 1, 2)))).toEqual({ ok: true, seqs: [0, 0], duplicate: true });
      expect(texts(await at.read())).toEqual(["1", "2"]);
    });
    test("append() stores only the rest of a request that is partly known", async () => {
      await at.log.append(numbered(0, 1, 2));
      expect(stored(await at.log.append(numbered(0, 1, 2, 3)))).toEqual({
        ok: true,
        seqs: [0, 0, 3],
        duplicate: false,
      });
      expect(texts(await at.read())).toEqual(["1", "2", "3"]);
    });
    test("append() knows the numbers of a request that is still being flushed", async () => {
      const results = await Promise.all([
        at.log.append(numbered(0, 1, 2)),
        at.log.append(numbered(0, 1, 2)),
        at.log.append(numbered(2, 3)),
      ]);
      expect(results.map((result) => stored(result).seqs)).toEqual([[1, 2], [0, 0], [3]]);
    });
    test("append() refuses numbers whose predecessor is missing, and stores nothing", async () => {
      await at.log.append(numbered(0, 1));
      const failure = refused(await at.log.append(numbered(3, 4)));
      expect([failure.code, failure.actual]).toEqual(["outOfOrder", 1]);
      expect(texts(await at.read())).toEqual(["1"]);
    });
    test("append() refuses a first number that names a predecessor", async () => {
      expect(refused(await at.log.append(numbered(3, 4)))).toMatchObject({ code: "outOfOrder", actual: 0 });
      expect(await at.log.producerMark("p")).toBeUndefined();
    });
    test("append() recognises duplicates after a reopen", async () => {
      await at.log.append(numbered(0, 1, 2));
      await at.reopen();
      expect(await at.log.producerMark("p")).toBe(2);
      expect(stored(await at.log.append(numbered(0, 1, 2, 3))).seqs).toEqual([0, 0, 3]);
    });
    test("producers do not share marks", async () => {
      await at.log.append(numbered(0, 1));
      const other = { records: [newRecord("a", "other")], numbered: { producer: "q", after: 0, numbers: [1] } };
      expect(stored(await at.log.append(other)).seqs).toEqual([2]);
    });
    test("forgetProducer() forgets the mark, for good", async () => {
      await at.log.append(numbered(0, 1, 2));
      await at.log.forgetProducer("p");
      expect(await at.log.producerMark("p")).toBeUndefined();
      await at.reopen();
      expect(await at.log.producerMark("p")).toBeUndefined();
      expect(stored(await at.log.append(numbered(0, 1))).seqs).toEqual([3]);
      await at.reopen();
      expect(await at.log.producerMark("p")).toBe(1);
    });
    test("forgetProducer() holds over a trim into the producer's last block and a reopen", async () => {
      await at.log.append(numbered(0, 1, 2));
      await at.log.forgetProducer("p");
      await at.log.trim({ ageMs: 0, bytes: 0, records: 1 });
      await at.log.forgetProducer("q");
      await at.reopen();
      expect(await at.log.producerMark("p")).toBeUndefined();
      expect(stored(await at.log.append(numbered(0, 1))).seqs).toEqual([3]);
    });

    test("forgetProducer() is done in the order of the calls", async () => {
      const [, , again] = await Promise.all([
        at.log.append(numbered(0, 1)),
        at.log.forgetProducer("p"),
        at.log.append(numbered(0, 1)),
      ]);
      expect(stored(again).duplicate).toBe(false);
      await at.reopen();
      expect(await at.log.producerMark("p")).toBe(1);
    });
  });
}
