/**
 * What every event log answers: pages, follows, places, and what is left after a trim.
 * @module
 */
import { describe, expect, test } from "bun:test";
import type { LogRecord } from "../../src/runtime/log/event-log.ts";
import { newRecord, texts } from "../runtime/log/new-record.ts";
import { everything, type LogUnderTest, seqs, stored } from "./event-log-fixture.ts";

const noBound = { ageMs: 0, bytes: 0, records: 0 };

export function readContract(at: LogUnderTest): void {
  describe("read", () => {
    test("gives the records that match, whatever the shape of the filter", async () => {
      await at.fill(["a.x", "b.x", "a.y", "a.x.z", "b.y", "a.x"]);
      expect(texts(await at.read({ filter: "a.x" }))).toEqual(["1", "6"]);
      expect(texts(await at.read({ filter: "a.*" }))).toEqual(["1", "3", "6"]);
      expect(texts(await at.read({ filter: "*.x" }))).toEqual(["1", "2", "6"]);
      expect(texts(await at.read({ filter: "a.>" }))).toEqual(["1", "3", "4", "6"]);
      expect(texts(await at.read({ filter: ">" }))).toEqual(["1", "2", "3", "4", "5", "6"]);
      expect(texts(await at.read({ filter: "nobody" }))).toEqual([]);
    });
    test("holds to its bounds, the lower exclusive and the upper inclusive", async () => {
      await at.fill(["a", "b", "a", "b", "a"]);
      expect(seqs(await at.read({ after: 1, until: 4 }))).toEqual([2, 3, 4]);
      expect(seqs(await at.read({ filter: "a", after: 1, until: 5 }))).toEqual([3, 5]);
      expect(seqs(await at.read({ filter: "a", after: 5 }))).toEqual([]);
      expect(seqs(await at.read({ after: 3, until: 99 }))).toEqual([4, 5]);
    });
    test("goes backward from `until`, newest first", async () => {
      await at.fill(["a", "b", "a", "b", "a"]);
      expect(seqs(await at.read({ backward: true }))).toEqual([5, 4, 3, 2, 1]);
      expect(seqs(await at.read({ filter: "a", backward: true, until: 4, after: 1 }))).toEqual([3]);
      const page = await at.log.read({ ...everything, filter: "a", backward: true, recordsMax: 2 });
      expect([seqs(page.records), page.scannedTo, page.done]).toEqual([[5, 3], 3, false]);
    });
    test("pages by count; a page that is not full says how far it saw", async () => {
      await at.fill(["a", "b", "a", "a", "b"]);
      const first = await at.log.read({ ...everything, filter: "a", recordsMax: 2 });
      expect([seqs(first.records), first.scannedTo, first.done]).toEqual([[1, 3], 3, false]);
      const second = await at.log.read({ ...everything, filter: "a", recordsMax: 2, after: first.scannedTo });
      expect([seqs(second.records), second.scannedTo, second.done]).toEqual([[4], 5, true]);
    });
    test("pages by bytes, one record at least", async () => {
      const payload = new Uint8Array(1_000);
      await at.log.append({ records: [1, 2, 3].map(() => ({ ...newRecord("a"), payload })) });
      expect(seqs(await at.read({ bytesMax: 10 }))).toEqual([1]);
      expect(seqs(await at.read({ bytesMax: 2_500 }))).toEqual([1, 2]);
    });
    test("shows nothing that is not durable", async () => {
      const pending = at.log.append({ records: [newRecord("a")] });
      const before = await at.read();
      await pending;
      expect([before.length <= 1, seqs(await at.read())]).toEqual([true, [1]]);
    });
    test("finds what is rare among much", async () => {
      const many = Array.from({ length: 3_000 }, (_, i) =>
        newRecord(i % 500 === 17 ? `rare.${i}` : `much.${i % 20}`, String(i)),
      );
      for (let i = 0; i < many.length; i += 100) await at.log.append({ records: many.slice(i, i + 100) });
      await at.reopen();
      expect(texts(await at.read({ filter: "rare.*" }))).toEqual(["17", "517", "1017", "1517", "2017", "2517"]);
      expect(texts(await at.read({ filter: "rare.*", backward: true, recordsMax: 2 }))).toEqual(["2517", "2017"]);
      expect((await at.read({ filter: "much.3" })).length).toBe(150);
    });
    test("gives what was written before a reopen", async () => {
      await at.fill(["a", "b", "a"]);
      await at.reopen();
      expect(texts(await at.read({ filter: "a" }))).toEqual(["1", "3"]);
      expect(stored(await at.log.append({ records: [newRecord("a", "4")] })).seqs).toEqual([4]);
      expect(texts(await at.read({ filter: "a" }))).toEqual(["1", "3", "4"]);
    });
  });

  describe("follow", () => {
    test("hands over the past, then what comes, each record once and in order", async () => {
      await at.fill(Array.from({ length: 50 }, (_, i) => `t.${i % 3}`));
      const all = at.followed(0, 300);
      const writes = Array.from({ length: 250 }, (_, i) =>
        at.log.append({ records: [newRecord(`t.${i % 3}`, String(51 + i))] }),
      );
      await Promise.all(writes);
      expect(seqs(await all)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    });
    test("begins anywhere while records are being appended, without hole or copy", async () => {
      const follows: Promise<LogRecord[]>[] = [];
      for (let i = 0; i < 100; i++) {
        const write = at.log.append({ records: [newRecord("a"), newRecord("b"), newRecord("c")] });
        if (i % 10 === 5) follows.push(at.followed(i * 2, 300 - i * 2));
        await write;
      }
      for (const [n, seen] of (await Promise.all(follows)).entries()) {
        const after = (n * 10 + 5) * 2;
        expect(seqs(seen)).toEqual(Array.from({ length: 300 - after }, (_, i) => after + 1 + i));
      }
    });
    test("hands over one group in one call, with whole records", async () => {
      const calls: LogRecord[][] = [];
      const done = new Promise<void>((resolve) => {
        at.log.follow(0, (records) => {
          calls.push([...records]);
          resolve();
        });
      });
      await at.log.append({ records: [{ ...newRecord("a", "x"), headers: { h: "1" } }, newRecord("b", "y")] });
      await done;
      expect(calls.map(texts)).toEqual([["x", "y"]]);
      expect(calls[0]).toEqual(await at.read());
    });
    test("only tells what is durable: a read in the callback finds it", async () => {
      const found = new Promise<number[]>((resolve) => {
        at.log.follow(0, () => void at.read().then((records) => resolve(seqs(records))));
      });
      await at.log.append({ records: [newRecord("a")] });
      expect(await found).toEqual([1]);
    });
    test("from the end hands over only what comes", async () => {
      await at.fill(["a", "a"]);
      const next = at.followed(2, 1);
      await at.log.append({ records: [newRecord("a", "new")] });
      expect(texts(await next)).toEqual(["new"]);
    });
    test("tells what retention took before it was handed over, and goes on after that", async () => {
      await at.fill(["a", "b", "a", "b", "a"]);
      await at.log.trim({ ageMs: 0, bytes: 0, records: 2 });
      const told: (number | string)[] = [];
      const done = new Promise<void>((resolve) => {
        at.log.follow(
          1,
          (records) => {
            told.push(...texts(records));
            if (told.includes("6")) resolve();
          },
          (firstSeq) => told.push(firstSeq),
        );
      });
      await at.log.append({ records: [newRecord("a", "6")] });
      await done;
      expect(told).toEqual([4, "4", "5", "6"]);
    });
    test("tells nothing of retention to who has seen what it took", async () => {
      await at.fill(["a", "b", "a"]);
      await at.log.trim({ ageMs: 0, bytes: 0, records: 1 });
      const told: (number | string)[] = [];
      const done = new Promise<void>((resolve) => {
        at.log.follow(
          2,
          (records) => {
            told.push(...texts(records));
            resolve();
          },
          (firstSeq) => told.push(firstSeq),
        );
      });
      await done;
      expect(told).toEqual(["3"]);
    });
    test("hands over nothing after stop()", async () => {
      let calls = 0;
      const follow = at.log.follow(0, () => {
        calls++;
      });
      follow.stop();
      const other = at.followed(0, 1);
      await at.log.append({ records: [newRecord("a")] });
      await other;
      expect(calls).toBe(0);
    });
  });

  describe("places", () => {
    test("info() of an empty log", () => {
      expect(at.log.info()).toMatchObject({ firstSeq: 1, lastSeq: 0, records: 0, bytes: 0 });
    });
    test("end() is the seq of the newest record", async () => {
      await at.fill(["a", "b"]);
      expect(await at.log.end()).toBe(2);
    });
    test("info() keeps its epoch over a reopen", async () => {
      const { epoch } = at.log.info();
      await at.reopen();
      expect(at.log.info().epoch).toBe(epoch);
      expect(epoch.length).toBeGreaterThan(0);
    });
    test("lastPerTopic() gives the newest record of each topic, ascending", async () => {
      await at.fill(["a.1", "a.2", "a.1", "b", "a.3", "a.2"]);
      expect(seqs(await at.log.lastPerTopic("a.*", 0, 10))).toEqual([3, 5, 6]);
      expect(seqs(await at.log.lastPerTopic("a.*", 3, 10))).toEqual([5, 6]);
      expect(seqs(await at.log.lastPerTopic(">", 0, 2))).toEqual([3, 4]);
      await at.reopen();
      expect(texts(await at.log.lastPerTopic("a.2", 0, 10))).toEqual(["6"]);
    });
    test("seqAtTime() finds the first record that is not older", async () => {
      await at.fill(["a", "a"]);
      await at.advance(at.longMs);
      await at.fill(["a"]);
      const records = await at.read();
      const [first, , third] = records.map(({ time }) => time) as [number, number, number];
      for (const time of [first - 1, first, first + 1, third, third + 1]) {
        const expected = records.find((record) => record.time >= time)?.seq ?? 4;
        expect([time, await at.log.seqAtTime(time)]).toEqual([time, expected]);
      }
      expect(third).toBeGreaterThanOrEqual(first + at.longMs);
    });
  });

  describe("trim", () => {
    test("keeps so many records", async () => {
      await at.fill(["a", "b", "a", "b", "a"]);
      expect(await at.log.trim({ ...noBound, records: 2 })).toBe(3);
      expect(at.log.info()).toMatchObject({ firstSeq: 4, lastSeq: 5, records: 2 });
      expect(texts(await at.read())).toEqual(["4", "5"]);
    });
    test("removes what is too old", async () => {
      await at.fill(["a", "a"]);
      await at.advance(at.longMs);
      await at.fill(["b"]);
      expect(await at.log.trim({ ...noBound, ageMs: at.longMs / 2 })).toBe(2);
      expect(seqs(await at.read())).toEqual([3]);
    });
    test("keeps so many bytes", async () => {
      for (let i = 0; i < 10; i++)
        await at.log.append({ records: [{ ...newRecord("a"), payload: new Uint8Array(1_000) }] });
      const removed = await at.log.trim({ ...noBound, bytes: 5_800 });
      expect(at.log.info().bytes).toBeLessThanOrEqual(5_800);
      expect([removed, at.log.info().records]).toEqual([5, 5]);
    });
    test("without a bound removes nothing", async () => {
      await at.fill(["a"]);
      await at.advance(at.longMs);
      expect(await at.log.trim(noBound)).toBe(0);
    });
    test("may remove everything; seqs go on, after a reopen too", async () => {
      await at.fill(["a", "b", "c"]);
      await at.advance(at.longMs);
      expect(await at.log.trim({ ...noBound, ageMs: 1 })).toBe(3);
      await at.reopen();
      expect(at.log.info()).toMatchObject({ firstSeq: 4, lastSeq: 3, records: 0, bytes: 0 });
      expect(stored(await at.log.append({ records: [newRecord("a", "x")] })).seqs).toEqual([4]);
      expect(texts(await at.read({ filter: "a" }))).toEqual(["x"]);
    });
    test("takes trimmed topics out of every answer", async () => {
      await at.fill(["a", "b", "c", "b"]);
      await at.log.trim({ ...noBound, records: 2 });
      expect(seqs(await at.log.lastPerTopic(">", 0, 10))).toEqual([3, 4]);
      expect(seqs(await at.read({ filter: "a" }))).toEqual([]);
      expect(seqs(await at.read({ filter: "b", backward: true }))).toEqual([4]);
      expect(await at.log.seqAtTime(0)).toBe(3);
    });
    test("a follower that begins below goes on at the first record held", async () => {
      await at.fill(["a", "a", "a", "a"]);
      await at.log.trim({ ...noBound, records: 2 });
      expect(seqs(await at.followed(0, 2))).toEqual([3, 4]);
    });
    test("goes on beside appends and reads", async () => {
      const records = Array.from({ length: 2_000 }, (_, i) => newRecord(`t.${i % 50}`, String(i)));
      for (let i = 0; i < records.length; i += 200) await at.log.append({ records: records.slice(i, i + 200) });
      const trimming = at.log.trim({ ...noBound, records: 300 });
      const more = at.log.append({ records: [newRecord("t.1", "new")] });
      const [page] = await Promise.all([at.read({ filter: "t.1", after: 1_700 }), trimming, more]);
      expect(page.every((record) => record.seq > 1_700)).toBe(true);
      expect([1_701, 1_702]).toContain(at.log.info().firstSeq);
      expect((await at.read({ filter: "t.1" })).at(-1)?.seq).toBe(2_001);
    });
  });
}
