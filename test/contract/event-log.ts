/**
 * What every event log does, whatever it is made of. An adapter's own test runs this and adds what is special to it.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type {
  AppendRequest, Appended, AppendResult, EventLog, KeyValueChange, LogFailure, LogRecord, NewRecord, ReadRequest,
} from "../../src/runtime/log/event-log.ts";
import { newRecord, texts } from "../runtime/log/new-record.ts";
import { eventLogModel } from "./event-log-model.ts";

export type OpenedLog = {
  readonly log: EventLog;
  /** Closes the log and opens what it left. */
  reopen(): Promise<EventLog>;
  /** Moves the log's clock. */
  advance(ms: number): void;
  /** Releases what the log took on this machine. */
  dispose(): Promise<void>;
};
export type OpenLog = () => Promise<OpenedLog>;

function seqs(records: readonly LogRecord[]): number[] {
  return records.map((record) => record.seq);
}

function stored(result: AppendResult): Appended {
  if (!result.ok) throw new Error(`refused: ${result.code}: ${result.message}`);
  return result;
}

function refused(result: { readonly ok: boolean }): LogFailure {
  expect(result.ok).toBe(false);
  return result as LogFailure;
}

const everything: ReadRequest = { filter: ">", after: 0, recordsMax: 100_000, bytesMax: 1 << 30 };
const noBound = { ageMs: 0, bytes: 0, records: 0 };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

export function eventLogContract(name: string, open: OpenLog): void {
  let opened: OpenedLog;
  let log: EventLog;

  beforeEach(async () => {
    opened = await open();
    log = opened.log;
  });
  afterEach(async () => {
    await opened.dispose();
  });

  async function reopen(): Promise<void> {
    log = await opened.reopen();
  }
  async function fill(topics: readonly string[]): Promise<void> {
    for (const [i, topic] of topics.entries()) stored(await log.append({ records: [newRecord(topic, String(i + 1))] }));
  }
  async function read(request: Partial<ReadRequest> = {}): Promise<LogRecord[]> {
    return [...(await log.read({ ...everything, ...request })).records];
  }
  /** Follows until so many records have come. */
  function followed(after: number, count: number): Promise<LogRecord[]> {
    const seen: LogRecord[] = [];
    return new Promise((resolve) => {
      const follow = log.follow(after, (records) => {
        seen.push(...records);
        if (seen.length < count) return;
        follow.stop();
        resolve(seen);
      });
    });
  }

  describe(`${name}: append`, () => {
    test("gives seqs from 1 without gaps, in the order of the calls", async () => {
      const results = await Promise.all(["a", "b", "c"].map((topic) => log.append({ records: [newRecord(topic), newRecord(topic)] })));
      expect(results.map((result) => stored(result).seqs)).toEqual([[1, 2], [3, 4], [5, 6]]);
    });
    test("stores a record as it was given", async () => {
      const record: NewRecord = { topic: "a.ü", id: "sitzung-ß/1", lane: 0, payload: bytes(0, 255, 128), headers: { "content-type": "text/plain", ä: "ö" } };
      await log.append({ records: [record, { ...record, lane: 3, id: "", payload: bytes() }] });
      const [first, second] = await read();
      expect(first).toEqual({ ...record, seq: 1, time: expect.any(Number) });
      expect(second).toEqual({ ...record, lane: 3, id: "", payload: bytes(), seq: 2, time: expect.any(Number) });
    });
    test("leaves out headers where there were none", async () => {
      await log.append({ records: [newRecord("a")] });
      expect(Object.hasOwn((await read())[0] as LogRecord, "headers")).toBe(false);
    });
    test("stores records of several topics in one step, next to each other", async () => {
      const result = await log.append({ records: [newRecord("a", "1"), newRecord("b", "2"), newRecord("a", "3")] });
      expect(stored(result)).toEqual({ ok: true, seqs: [1, 2, 3], duplicate: false });
      expect((await read()).map((record) => record.topic)).toEqual(["a", "b", "a"]);
    });
    test("gives times that never descend, even when the clock goes back", async () => {
      await log.append({ records: [newRecord("a")] });
      opened.advance(-5_000);
      await log.append({ records: [newRecord("a")] });
      const [first, second] = await read();
      expect(second?.time).toBe(first?.time as number);
    });
    test("stores a payload of 512 KiB", async () => {
      const payload = new Uint8Array(524_288).map((_, i) => i % 251);
      await log.append({ records: [{ ...newRecord("large"), payload }, newRecord("small", "x")] });
      const records = await read();
      expect(records[0]?.payload).toEqual(payload);
      expect(texts(records.slice(1))).toEqual(["x"]);
    });
    test("stores 5 000 records of one request", async () => {
      const records = Array.from({ length: 5_000 }, (_, i) => newRecord(`t.${i % 7}`, String(i)));
      const { seqs: given } = stored(await log.append({ records }));
      expect([given[0], given.at(-1)]).toEqual([1, 5_000]);
      expect(texts(await read())).toEqual(records.map((_, i) => String(i)));
    });
    test("answers `closed` after close", async () => {
      await log.close();
      expect(refused(await log.append({ records: [newRecord("a")] })).code).toBe("closed");
    });
    test("flushes what was accepted before close", async () => {
      const accepted = log.append({ records: [newRecord("a", "kept")] });
      await reopen();
      expect(stored(await accepted).seqs).toEqual([1]);
      expect(texts(await read())).toEqual(["kept"]);
    });
  });

  describe(`${name}: producers`, () => {
    const numbered = (after: number, ...numbers: number[]): AppendRequest => ({
      records: numbers.map((number) => newRecord("a", String(number))),
      numbered: { producer: "p", after, numbers },
    });

    test("append() stores numbers above the mark and remembers the highest", async () => {
      expect(stored(await log.append(numbered(0, 1, 2, 5))).seqs).toEqual([1, 2, 3]);
      expect(await log.producerMark("p")).toBe(5);
    });
    test("append() does not store a number twice", async () => {
      await log.append(numbered(0, 1, 2));
      expect(stored(await log.append(numbered(0, 1, 2)))).toEqual({ ok: true, seqs: [0, 0], duplicate: true });
      expect(texts(await read())).toEqual(["1", "2"]);
    });
    test("append() stores only the rest of a request that is partly known", async () => {
      await log.append(numbered(0, 1, 2));
      expect(stored(await log.append(numbered(0, 1, 2, 3)))).toEqual({ ok: true, seqs: [0, 0, 3], duplicate: false });
      expect(texts(await read())).toEqual(["1", "2", "3"]);
    });
    test("append() knows the numbers of a request that is still being flushed", async () => {
      const results = await Promise.all([log.append(numbered(0, 1, 2)), log.append(numbered(0, 1, 2)), log.append(numbered(2, 3))]);
      expect(results.map((result) => stored(result).seqs)).toEqual([[1, 2], [0, 0], [3]]);
    });
    test("append() refuses numbers whose predecessor is missing, and stores nothing", async () => {
      await log.append(numbered(0, 1));
      const failure = refused(await log.append(numbered(3, 4)));
      expect([failure.code, failure.actual]).toEqual(["outOfOrder", 1]);
      expect(texts(await read())).toEqual(["1"]);
    });
    test("append() refuses a first number that names a predecessor", async () => {
      expect(refused(await log.append(numbered(3, 4)))).toMatchObject({ code: "outOfOrder", actual: 0 });
      expect(await log.producerMark("p")).toBeUndefined();
    });
    test("append() recognises duplicates after a reopen", async () => {
      await log.append(numbered(0, 1, 2));
      await reopen();
      expect(await log.producerMark("p")).toBe(2);
      expect(stored(await log.append(numbered(0, 1, 2, 3))).seqs).toEqual([0, 0, 3]);
    });
    test("producers do not share marks", async () => {
      await log.append(numbered(0, 1));
      const other = { records: [newRecord("a", "other")], numbered: { producer: "q", after: 0, numbers: [1] } };
      expect(stored(await log.append(other)).seqs).toEqual([2]);
    });
    test("forgetProducer() forgets the mark, for good", async () => {
      await log.append(numbered(0, 1, 2));
      await log.forgetProducer("p");
      expect(await log.producerMark("p")).toBeUndefined();
      await reopen();
      expect(await log.producerMark("p")).toBeUndefined();
      expect(stored(await log.append(numbered(0, 1))).seqs).toEqual([3]);
      await reopen();
      expect(await log.producerMark("p")).toBe(1);
    });
    test("forgetProducer() is done in the order of the calls", async () => {
      const [, , again] = await Promise.all([log.append(numbered(0, 1)), log.forgetProducer("p"), log.append(numbered(0, 1))]);
      expect(stored(again).duplicate).toBe(false);
      await reopen();
      expect(await log.producerMark("p")).toBe(1);
    });
  });

  describe(`${name}: steps done once`, () => {
    const step = (key: string, ...topics: string[]): AppendRequest => ({ records: topics.map((topic) => newRecord(topic)), once: { producer: "s", key } });

    test("append() does a step once and then answers its first and last seq", async () => {
      await log.append({ records: [newRecord("x")] });
      expect(stored(await log.append(step("tx/1", "a", "b", "c"))).seqs).toEqual([2, 3, 4]);
      expect(stored(await log.append(step("tx/1", "a", "b", "c")))).toEqual({ ok: true, seqs: [2, 4], duplicate: true });
      expect(log.info().lastSeq).toBe(4);
    });
    test("append() knows a step that is still being flushed", async () => {
      const [first, second] = await Promise.all([log.append(step("tx/1", "a")), log.append(step("tx/1", "a"))]);
      expect([stored(first).duplicate, stored(second).duplicate]).toEqual([false, true]);
    });
    test("append() knows a step after a reopen", async () => {
      await log.append(step("tx/1", "a", "b"));
      await reopen();
      expect(stored(await log.append(step("tx/1", "a", "b")))).toEqual({ ok: true, seqs: [1, 2], duplicate: true });
    });
    test("append() does steps of other keys and producers", async () => {
      await log.append(step("tx/1", "a"));
      expect(stored(await log.append(step("tx/2", "a"))).duplicate).toBe(false);
      expect(stored(await log.append({ records: [newRecord("a")], once: { producer: "t", key: "tx/1" } })).duplicate).toBe(false);
    });
    test("forgetProducer() forgets the producer's steps and nobody else's", async () => {
      await log.append(step("tx/1", "a"));
      await log.append({ records: [newRecord("a")], once: { producer: "s2", key: "tx/1" } });
      await log.forgetProducer("s");
      expect(stored(await log.append(step("tx/1", "a"))).duplicate).toBe(false);
      expect(stored(await log.append({ records: [newRecord("a")], once: { producer: "s2", key: "tx/1" } })).duplicate).toBe(true);
    });
  });

  describe(`${name}: journals`, () => {
    const key = { kind: "session", id: "one" };
    const data = (entries: readonly { readonly data: Uint8Array }[]): number[][] => entries.map((entry) => [...entry.data]);

    test("append() numbers entries from 1; read() gives them back", async () => {
      expect(await log.journals.append({ key, expected: 0, entries: [bytes(1), bytes(2)] })).toEqual({ ok: true, seq: 2 });
      expect(await log.journals.append({ key, expected: 2, entries: [bytes(3)] })).toEqual({ ok: true, seq: 3 });
      const entries = await log.journals.read(key, 0, 10);
      expect(entries.map((entry) => entry.seq)).toEqual([1, 2, 3]);
      expect(data(entries)).toEqual([[1], [2], [3]]);
      expect(data(await log.journals.read(key, 1, 1))).toEqual([[2]]);
    });
    test("append() refuses another expectation and tells the actual end", async () => {
      await log.journals.append({ key, expected: 0, entries: [bytes(1)] });
      expect(refused(await log.journals.append({ key, expected: 0, entries: [bytes(9)] }))).toMatchObject({ code: "conflict", actual: 1 });
      expect(refused(await log.journals.append({ key, expected: 4, entries: [bytes(9)] }))).toMatchObject({ code: "conflict", actual: 1 });
      expect(data(await log.journals.read(key, 0, 10))).toEqual([[1]]);
    });
    test("of two writers that expect the same end one is refused", async () => {
      const results = await Promise.all([1, 2].map((n) => log.journals.append({ key, expected: 0, entries: [bytes(n)] })));
      expect(results.map((result) => result.ok)).toEqual([true, false]);
    });
    test("lastSeq() is 0 without a journal, and the end with one, after a reopen too", async () => {
      expect(await log.journals.lastSeq(key)).toBe(0);
      await log.journals.append({ key, expected: 0, entries: [bytes(1), bytes(2)] });
      expect(await log.journals.lastSeq(key)).toBe(2);
      await reopen();
      expect(await log.journals.lastSeq(key)).toBe(2);
      expect(await log.journals.append({ key, expected: 2, entries: [bytes(3)] })).toEqual({ ok: true, seq: 3 });
    });
    test("list() pages through the ids of a kind in their order", async () => {
      for (const id of ["b", "a", "c", "a.b"]) await log.journals.append({ key: { kind: "session", id }, expected: 0, entries: [bytes(1), bytes(2)] });
      await log.journals.append({ key: { kind: "pool", id: "z" }, expected: 0, entries: [bytes(1)] });
      expect(await log.journals.list("session", "", 3)).toEqual(["a", "a.b", "b"]);
      expect(await log.journals.list("session", "b", 3)).toEqual(["c"]);
      expect(await log.journals.list("nothing", "", 3)).toEqual([]);
    });
    test("delete() removes a journal with its snapshot; it begins anew at 1", async () => {
      await log.journals.append({ key, expected: 0, entries: [bytes(1), bytes(2)] });
      await log.journals.saveSnapshot(key, { seq: 2, data: bytes(9) });
      await log.journals.delete(key);
      expect(await log.journals.read(key, 0, 10)).toEqual([]);
      expect(await log.journals.loadSnapshot(key)).toBeUndefined();
      expect(await log.journals.list("session", "", 10)).toEqual([]);
      expect(await log.journals.append({ key, expected: 0, entries: [bytes(3)] })).toEqual({ ok: true, seq: 1 });
    });
    test("saveSnapshot() keeps the newest, after a reopen too", async () => {
      expect(await log.journals.loadSnapshot(key)).toBeUndefined();
      await log.journals.saveSnapshot(key, { seq: 1, data: bytes(1) });
      await log.journals.saveSnapshot(key, { seq: 5, data: bytes(5, 5) });
      await reopen();
      const snapshot = await log.journals.loadSnapshot(key);
      expect([snapshot?.seq, ...(snapshot?.data ?? [])]).toEqual([5, 5, 5]);
    });
  });

  describe(`${name}: one step of everything`, () => {
    const key = { kind: "session", id: "s" };
    const combined = (overrides: Partial<AppendRequest> = {}): AppendRequest => ({
      records: [newRecord("a", "1"), newRecord("b", "2")],
      numbered: { producer: "s", after: 0, numbers: [1, 2] },
      once: { producer: "s", key: "tx/1" },
      journal: { key, expected: 0, entries: [bytes(7)] },
      ...overrides,
    });
    async function expectNothing(): Promise<void> {
      expect(await read()).toEqual([]);
      expect(await log.producerMark("s")).toBeUndefined();
      expect(await log.journals.lastSeq(key)).toBe(0);
      expect(stored(await log.append({ records: [], once: { producer: "s", key: "tx/1" } })).duplicate).toBe(false);
    }

    test("append() stores records, mark, step and journal together", async () => {
      expect(stored(await log.append(combined()))).toEqual({ ok: true, seqs: [1, 2], duplicate: false, journalSeq: 1 });
      expect(await log.producerMark("s")).toBe(2);
      expect(await log.journals.lastSeq(key)).toBe(1);
      expect(stored(await log.append(combined()))).toEqual({ ok: true, seqs: [1, 2], duplicate: true });
    });
    test("append() stores nothing when the journal is elsewhere", async () => {
      expect(refused(await log.append(combined({ journal: { key, expected: 3, entries: [bytes(7)] } }))).code).toBe("conflict");
      await expectNothing();
    });
    test("append() stores nothing when a number is out of order", async () => {
      expect(refused(await log.append(combined({ numbered: { producer: "s", after: 7, numbers: [8, 9] } }))).code).toBe("outOfOrder");
      await expectNothing();
    });
    test("append() writes a journal without records", async () => {
      const result = await log.append({ records: [], journal: { key, expected: 0, entries: [bytes(1)] } });
      expect(stored(result)).toEqual({ ok: true, seqs: [], duplicate: false, journalSeq: 1 });
      expect(log.info().lastSeq).toBe(0);
    });
  });

  describe(`${name}: read`, () => {
    test("gives the records that match, whatever the shape of the filter", async () => {
      await fill(["a.x", "b.x", "a.y", "a.x.z", "b.y", "a.x"]);
      expect(texts(await read({ filter: "a.x" }))).toEqual(["1", "6"]);
      expect(texts(await read({ filter: "a.*" }))).toEqual(["1", "3", "6"]);
      expect(texts(await read({ filter: "*.x" }))).toEqual(["1", "2", "6"]);
      expect(texts(await read({ filter: "a.>" }))).toEqual(["1", "3", "4", "6"]);
      expect(texts(await read({ filter: ">" }))).toEqual(["1", "2", "3", "4", "5", "6"]);
      expect(texts(await read({ filter: "nobody" }))).toEqual([]);
    });
    test("holds to its bounds, the lower exclusive and the upper inclusive", async () => {
      await fill(["a", "b", "a", "b", "a"]);
      expect(seqs(await read({ after: 1, until: 4 }))).toEqual([2, 3, 4]);
      expect(seqs(await read({ filter: "a", after: 1, until: 5 }))).toEqual([3, 5]);
      expect(seqs(await read({ filter: "a", after: 5 }))).toEqual([]);
      expect(seqs(await read({ after: 3, until: 99 }))).toEqual([4, 5]);
    });
    test("goes backward from `until`, newest first", async () => {
      await fill(["a", "b", "a", "b", "a"]);
      expect(seqs(await read({ backward: true }))).toEqual([5, 4, 3, 2, 1]);
      expect(seqs(await read({ filter: "a", backward: true, until: 4, after: 1 }))).toEqual([3]);
      const page = await log.read({ ...everything, filter: "a", backward: true, recordsMax: 2 });
      expect([seqs(page.records), page.scannedTo, page.done]).toEqual([[5, 3], 3, false]);
    });
    test("pages by count; a page that is not full says how far it saw", async () => {
      await fill(["a", "b", "a", "a", "b"]);
      const first = await log.read({ ...everything, filter: "a", recordsMax: 2 });
      expect([seqs(first.records), first.scannedTo, first.done]).toEqual([[1, 3], 3, false]);
      const second = await log.read({ ...everything, filter: "a", recordsMax: 2, after: first.scannedTo });
      expect([seqs(second.records), second.scannedTo, second.done]).toEqual([[4], 5, true]);
    });
    test("pages by bytes, one record at least", async () => {
      const payload = new Uint8Array(1_000);
      await log.append({ records: [1, 2, 3].map(() => ({ ...newRecord("a"), payload })) });
      expect(seqs(await read({ bytesMax: 10 }))).toEqual([1]);
      expect(seqs(await read({ bytesMax: 2_500 }))).toEqual([1, 2]);
    });
    test("shows nothing that is not durable", async () => {
      const pending = log.append({ records: [newRecord("a")] });
      const before = await read();
      await pending;
      expect([before.length <= 1, seqs(await read())]).toEqual([true, [1]]);
    });
    test("finds what is rare among much", async () => {
      const many = Array.from({ length: 3_000 }, (_, i) => newRecord(i % 500 === 17 ? `rare.${i}` : `much.${i % 20}`, String(i)));
      for (let i = 0; i < many.length; i += 100) await log.append({ records: many.slice(i, i + 100) });
      await reopen();
      expect(texts(await read({ filter: "rare.*" }))).toEqual(["17", "517", "1017", "1517", "2017", "2517"]);
      expect(texts(await read({ filter: "rare.*", backward: true, recordsMax: 2 }))).toEqual(["2517", "2017"]);
      expect((await read({ filter: "much.3" })).length).toBe(150);
    });
    test("gives what was written before a reopen", async () => {
      await fill(["a", "b", "a"]);
      await reopen();
      expect(texts(await read({ filter: "a" }))).toEqual(["1", "3"]);
      expect(stored(await log.append({ records: [newRecord("a", "4")] })).seqs).toEqual([4]);
      expect(texts(await read({ filter: "a" }))).toEqual(["1", "3", "4"]);
    });
  });

  describe(`${name}: follow`, () => {
    test("hands over the past, then what comes, each record once and in order", async () => {
      await fill(Array.from({ length: 50 }, (_, i) => `t.${i % 3}`));
      const all = followed(0, 300);
      const writes = Array.from({ length: 250 }, (_, i) => log.append({ records: [newRecord(`t.${i % 3}`, String(51 + i))] }));
      await Promise.all(writes);
      expect(seqs(await all)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    });
    test("begins anywhere while records are being appended, without hole or copy", async () => {
      const follows: Promise<LogRecord[]>[] = [];
      for (let i = 0; i < 100; i++) {
        const write = log.append({ records: [newRecord("a"), newRecord("b"), newRecord("c")] });
        if (i % 10 === 5) follows.push(followed(i * 2, 300 - i * 2));
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
        log.follow(0, (records) => {
          calls.push([...records]);
          resolve();
        });
      });
      await log.append({ records: [{ ...newRecord("a", "x"), headers: { h: "1" } }, newRecord("b", "y")] });
      await done;
      expect(calls.map(texts)).toEqual([["x", "y"]]);
      expect(calls[0]).toEqual(await read());
    });
    test("only tells what is durable: a read in the callback finds it", async () => {
      const found = new Promise<number[]>((resolve) => {
        log.follow(0, () => void read().then((records) => resolve(seqs(records))));
      });
      await log.append({ records: [newRecord("a")] });
      expect(await found).toEqual([1]);
    });
    test("from the end hands over only what comes", async () => {
      await fill(["a", "a"]);
      const next = followed(2, 1);
      await log.append({ records: [newRecord("a", "new")] });
      expect(texts(await next)).toEqual(["new"]);
    });
    test("hands over nothing after stop()", async () => {
      let calls = 0;
      const follow = log.follow(0, () => {
        calls++;
      });
      follow.stop();
      const other = followed(0, 1);
      await log.append({ records: [newRecord("a")] });
      await other;
      expect(calls).toBe(0);
    });
  });

  describe(`${name}: places`, () => {
    test("info() of an empty log", () => {
      expect(log.info()).toMatchObject({ firstSeq: 1, lastSeq: 0, records: 0, bytes: 0, transactions: true });
    });
    test("info() keeps its epoch over a reopen", async () => {
      const { epoch } = log.info();
      await reopen();
      expect(log.info().epoch).toBe(epoch);
      expect(epoch.length).toBeGreaterThan(0);
    });
    test("lastPerTopic() gives the newest record of each topic, ascending", async () => {
      await fill(["a.1", "a.2", "a.1", "b", "a.3", "a.2"]);
      expect(seqs(await log.lastPerTopic("a.*", 0, 10))).toEqual([3, 5, 6]);
      expect(seqs(await log.lastPerTopic("a.*", 3, 10))).toEqual([5, 6]);
      expect(seqs(await log.lastPerTopic(">", 0, 2))).toEqual([3, 4]);
      await reopen();
      expect(texts(await log.lastPerTopic("a.2", 0, 10))).toEqual(["6"]);
    });
    test("seqAtTime() finds the first record that is not older", async () => {
      await fill(["a", "a"]);
      opened.advance(1_000);
      await fill(["a"]);
      const [first, , third] = await read();
      const start = (first as LogRecord).time;
      expect(await log.seqAtTime(start - 1)).toBe(1);
      expect(await log.seqAtTime(start)).toBe(1);
      expect(await log.seqAtTime(start + 1)).toBe(3);
      expect(await log.seqAtTime((third as LogRecord).time)).toBe(3);
      expect(await log.seqAtTime((third as LogRecord).time + 1)).toBe(4);
    });
  });

  describe(`${name}: trim`, () => {
    test("keeps so many records", async () => {
      await fill(["a", "b", "a", "b", "a"]);
      expect(await log.trim({ ...noBound, records: 2 })).toBe(3);
      expect(log.info()).toMatchObject({ firstSeq: 4, lastSeq: 5, records: 2 });
      expect(texts(await read())).toEqual(["4", "5"]);
    });
    test("removes what is too old", async () => {
      await fill(["a", "a"]);
      opened.advance(10_000);
      await fill(["b"]);
      expect(await log.trim({ ...noBound, ageMs: 5_000 })).toBe(2);
      expect(seqs(await read())).toEqual([3]);
    });
    test("keeps so many bytes", async () => {
      for (let i = 0; i < 10; i++) await log.append({ records: [{ ...newRecord("a"), payload: new Uint8Array(1_000) }] });
      const removed = await log.trim({ ...noBound, bytes: 5_500 });
      expect(log.info().bytes).toBeLessThanOrEqual(5_500);
      expect([removed, log.info().records]).toEqual([5, 5]);
    });
    test("without a bound removes nothing", async () => {
      await fill(["a"]);
      opened.advance(1e9);
      expect(await log.trim(noBound)).toBe(0);
    });
    test("may remove everything; seqs go on, after a reopen too", async () => {
      await fill(["a", "b", "c"]);
      opened.advance(10_000);
      expect(await log.trim({ ...noBound, ageMs: 1 })).toBe(3);
      await reopen();
      expect(log.info()).toMatchObject({ firstSeq: 4, lastSeq: 3, records: 0, bytes: 0 });
      expect(stored(await log.append({ records: [newRecord("a", "x")] })).seqs).toEqual([4]);
      expect(texts(await read({ filter: "a" }))).toEqual(["x"]);
    });
    test("takes trimmed topics out of every answer", async () => {
      await fill(["a", "b", "c", "b"]);
      await log.trim({ ...noBound, records: 2 });
      expect(seqs(await log.lastPerTopic(">", 0, 10))).toEqual([3, 4]);
      expect(seqs(await read({ filter: "a" }))).toEqual([]);
      expect(seqs(await read({ filter: "b", backward: true }))).toEqual([4]);
      expect(await log.seqAtTime(0)).toBe(3);
    });
    test("leaves marks and steps as they were", async () => {
      await log.append({ records: [newRecord("a")], numbered: { producer: "p", after: 0, numbers: [1] }, once: { producer: "p", key: "k" } });
      await fill(["b", "c"]);
      await log.trim({ ...noBound, records: 1 });
      await reopen();
      expect(await log.producerMark("p")).toBe(1);
      expect(stored(await log.append({ records: [newRecord("a")], once: { producer: "p", key: "k" } })).duplicate).toBe(true);
    });
    test("a follower that begins below goes on at the first record held", async () => {
      await fill(["a", "a", "a", "a"]);
      await log.trim({ ...noBound, records: 2 });
      expect(seqs(await followed(0, 2))).toEqual([3, 4]);
    });
    test("goes on beside appends and reads", async () => {
      const records = Array.from({ length: 2_000 }, (_, i) => newRecord(`t.${i % 50}`, String(i)));
      for (let i = 0; i < records.length; i += 200) await log.append({ records: records.slice(i, i + 200) });
      const trimming = log.trim({ ...noBound, records: 300 });
      const more = log.append({ records: [newRecord("t.1", "new")] });
      const [page] = await Promise.all([read({ filter: "t.1", after: 1_700 }), trimming, more]);
      expect(page.every((record) => record.seq > 1_700)).toBe(true);
      expect([1_701, 1_702]).toContain(log.info().firstSeq);
      expect((await read({ filter: "t.1" })).at(-1)?.seq).toBe(2_001);
    });
  });

  describe(`${name}: key-value`, () => {
    const put = (key: string, value: number, options = {}) => log.keyValue.put(key, bytes(value), options);

    test("put() and get(), after a reopen too", async () => {
      expect(await log.keyValue.get("k")).toBeUndefined();
      const result = await put("k", 1);
      if (!result.ok) throw new Error(result.message);
      await reopen();
      const entry = await log.keyValue.get("k");
      expect([entry?.key, entry?.revision, ...(entry?.value ?? [])]).toEqual(["k", result.revision, 1]);
    });
    test("put() with `expected` 0 only makes what is absent", async () => {
      const first = await put("k", 1, { expected: 0 });
      const second = refused(await put("k", 2, { expected: 0 }));
      expect(first.ok).toBe(true);
      expect([second.code, second.actual]).toEqual(["conflict", (await log.keyValue.get("k"))?.revision as number]);
    });
    test("put() with a revision replaces that revision only", async () => {
      const first = await put("k", 1);
      if (!first.ok) throw new Error(first.message);
      const second = await put("k", 2, { expected: first.revision });
      if (!second.ok) throw new Error(second.message);
      expect(second.revision).toBeGreaterThan(first.revision);
      expect(refused(await put("k", 3, { expected: first.revision })).actual).toBe(second.revision);
      expect([...((await log.keyValue.get("k"))?.value ?? [])]).toEqual([2]);
    });
    test("of two puts that expect absence one is refused", async () => {
      const results = await Promise.all([put("k", 1, { expected: 0 }), put("k", 2, { expected: 0 })]);
      expect(results.map((result) => result.ok)).toEqual([true, false]);
    });
    test("delete() removes, at the expected revision only", async () => {
      await put("k", 1);
      expect(refused(await log.keyValue.delete("k", { expected: 99 })).code).toBe("conflict");
      expect(await log.keyValue.delete("k")).toEqual({ ok: true });
      expect(await log.keyValue.get("k")).toBeUndefined();
    });
    test("a revision is never given twice, after delete and reopen neither", async () => {
      const first = await put("k", 1);
      await log.keyValue.delete("k");
      await reopen();
      const second = await put("k", 2);
      if (!first.ok || !second.ok) throw new Error("refused");
      expect(second.revision).toBeGreaterThan(first.revision);
    });
    test("list() gives the keys of a prefix in order, after a cursor", async () => {
      for (const key of ["b/2", "a/1", "b/1", "b/3", "c"]) await put(key, 1);
      expect((await log.keyValue.list("b/", "", 2)).map((entry) => entry.key)).toEqual(["b/1", "b/2"]);
      expect((await log.keyValue.list("b/", "b/2", 2)).map((entry) => entry.key)).toEqual(["b/3"]);
    });
    test("a value is gone when its time is over, and may be made anew", async () => {
      await put("lease", 1, { expected: 0, ttlMs: 1_000 });
      opened.advance(999);
      expect((await log.keyValue.get("lease"))?.key).toBe("lease");
      opened.advance(1);
      expect(await log.keyValue.get("lease")).toBeUndefined();
      expect(await log.keyValue.list("", "", 10)).toEqual([]);
      expect((await put("lease", 2, { expected: 0 })).ok).toBe(true);
    });
    test("a later put prolongs a value's time", async () => {
      await put("lease", 1, { ttlMs: 1_000 });
      opened.advance(800);
      await put("lease", 1, { ttlMs: 1_000 });
      opened.advance(800);
      expect((await log.keyValue.get("lease"))?.key).toBe("lease");
    });
    test("time goes on over a reopen", async () => {
      await put("lease", 1, { ttlMs: 1_000 });
      await reopen();
      expect((await log.keyValue.get("lease"))?.key).toBe("lease");
      opened.advance(1_000);
      expect(await log.keyValue.get("lease")).toBeUndefined();
    });
    test("watch() tells puts and deletions of the prefix, in order", async () => {
      const changes: KeyValueChange[] = [];
      log.keyValue.watch("a/", (change) => void changes.push(change));
      await put("a/1", 1);
      await put("b/1", 1);
      await log.keyValue.delete("a/1");
      await put("a/2", 2);
      await log.keyValue.put("z", bytes());
      expect(changes.map((change) => [change.key, "deleted" in change])).toEqual([["a/1", false], ["a/1", true], ["a/2", false]]);
    });
    test("watch() tells the end of a value's time as a deletion", async () => {
      await put("lease", 1, { ttlMs: 1_000 });
      const ended = new Promise<KeyValueChange>((resolve) => log.keyValue.watch("", resolve));
      opened.advance(1_000);
      expect(await ended).toMatchObject({ key: "lease", deleted: true });
    });
  });

  describe(`${name}: blobs`, () => {
    test("put() keeps what it was given, after a reopen too", async () => {
      const data = new Uint8Array(300_000).map((_, i) => i % 253);
      expect(await log.blobs.put("b", data)).toEqual({ ok: true });
      await reopen();
      expect(new Uint8Array((await log.blobs.get("b")) ?? [])).toEqual(data);
    });
    test("put() replaces, with less too", async () => {
      await log.blobs.put("b", new Uint8Array(200_000));
      await log.blobs.put("b", bytes(1, 2));
      expect([...((await log.blobs.get("b")) ?? [])]).toEqual([1, 2]);
    });
    test("get() of an empty blob, of none, and of a deleted one", async () => {
      await log.blobs.put("empty", bytes());
      expect((await log.blobs.get("empty"))?.byteLength).toBe(0);
      expect(await log.blobs.get("none")).toBeUndefined();
      await log.blobs.delete("empty");
      expect(await log.blobs.get("empty")).toBeUndefined();
    });
  });

  eventLogModel(name, open);
}
