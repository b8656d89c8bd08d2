/**
 * What every event log keeps beside records: journals, key-value, blobs.
 * @module
 */
import { describe, expect, test } from "bun:test";
import type { KeyValueChange } from "../../src/runtime/log/event-log.ts";
import { bytes, type LogUnderTest, refused } from "./event-log-fixture.ts";

export function tablesContract(at: LogUnderTest): void {
  describe("journals", () => {
    const key = { kind: "session", id: "one" };
    const data = (entries: readonly { readonly data: Uint8Array }[]): number[][] =>
      entries.map((entry) => [...entry.data]);

    test("append() numbers entries from 1; read() gives them back", async () => {
      expect(await at.log.journals.append({ key, expected: 0, entries: [bytes(1), bytes(2)] })).toEqual({
        ok: true,
        seq: 2,
      });
      expect(await at.log.journals.append({ key, expected: 2, entries: [bytes(3)] })).toEqual({ ok: true, seq: 3 });
      const entries = await at.log.journals.read(key, 0, 10);
      expect(entries.map((entry) => entry.seq)).toEqual([1, 2, 3]);
      expect(data(entries)).toEqual([[1], [2], [3]]);
      expect(data(await at.log.journals.read(key, 1, 1))).toEqual([[2]]);
    });
    test("append() refuses another expectation and tells the actual end", async () => {
      await at.log.journals.append({ key, expected: 0, entries: [bytes(1)] });
      expect(refused(await at.log.journals.append({ key, expected: 0, entries: [bytes(9)] }))).toMatchObject({
        code: "conflict",
        actual: 1,
      });
      expect(refused(await at.log.journals.append({ key, expected: 4, entries: [bytes(9)] }))).toMatchObject({
        code: "conflict",
        actual: 1,
      });
      expect(data(await at.log.journals.read(key, 0, 10))).toEqual([[1]]);
    });
    test("of two writers that expect the same end one is refused", async () => {
      const results = await Promise.all(
        [1, 2].map((n) => at.log.journals.append({ key, expected: 0, entries: [bytes(n)] })),
      );
      expect(results.map((result) => result.ok)).toEqual([true, false]);
    });
    test("lastSeq() is 0 without a journal, and the end with one, after a reopen too", async () => {
      expect(await at.log.journals.lastSeq(key)).toBe(0);
      await at.log.journals.append({ key, expected: 0, entries: [bytes(1), bytes(2)] });
      expect(await at.log.journals.lastSeq(key)).toBe(2);
      await at.reopen();
      expect(await at.log.journals.lastSeq(key)).toBe(2);
      expect(await at.log.journals.append({ key, expected: 2, entries: [bytes(3)] })).toEqual({ ok: true, seq: 3 });
    });
    test("list() pages through the ids of a kind in their order", async () => {
      for (const id of ["b", "a", "c", "a.b"])
        await at.log.journals.append({ key: { kind: "session", id }, expected: 0, entries: [bytes(1), bytes(2)] });
      await at.log.journals.append({ key: { kind: "pool", id: "z" }, expected: 0, entries: [bytes(1)] });
      expect(await at.log.journals.list("session", "", 3)).toEqual(["a", "a.b", "b"]);
      expect(await at.log.journals.list("session", "b", 3)).toEqual(["c"]);
      expect(await at.log.journals.list("nothing", "", 3)).toEqual([]);
    });
    test("delete() removes a journal with its snapshot; it begins anew at 1", async () => {
      await at.log.journals.append({ key, expected: 0, entries: [bytes(1), bytes(2)] });
      await at.log.journals.saveSnapshot(key, { seq: 2, data: bytes(9) });
      await at.log.journals.delete(key);
      expect(await at.log.journals.read(key, 0, 10)).toEqual([]);
      expect(await at.log.journals.loadSnapshot(key)).toBeUndefined();
      expect(await at.log.journals.list("session", "", 10)).toEqual([]);
      expect(await at.log.journals.append({ key, expected: 0, entries: [bytes(3)] })).toEqual({ ok: true, seq: 1 });
    });
    test("saveSnapshot() keeps the newest, after a reopen too", async () => {
      expect(await at.log.journals.loadSnapshot(key)).toBeUndefined();
      await at.log.journals.saveSnapshot(key, { seq: 1, data: bytes(1) });
      await at.log.journals.saveSnapshot(key, { seq: 5, data: bytes(5, 5) });
      await at.reopen();
      const snapshot = await at.log.journals.loadSnapshot(key);
      expect([snapshot?.seq, ...(snapshot?.data ?? [])]).toEqual([5, 5, 5]);
    });
  });

  describe("key-value", () => {
    const put = (key: string, value: number, options = {}) => at.log.keyValue.put(key, bytes(value), options);

    test("put() and get(), after a reopen too", async () => {
      expect(await at.log.keyValue.get("k")).toBeUndefined();
      const result = await put("k", 1);
      if (!result.ok) throw new Error(result.message);
      await at.reopen();
      const entry = await at.log.keyValue.get("k");
      expect([entry?.key, entry?.revision, ...(entry?.value ?? [])]).toEqual(["k", result.revision, 1]);
    });
    test("put() with `expected` 0 only makes what is absent", async () => {
      const first = await put("k", 1, { expected: 0 });
      const second = refused(await put("k", 2, { expected: 0 }));
      expect(first.ok).toBe(true);
      expect([second.code, second.actual]).toEqual(["conflict", (await at.log.keyValue.get("k"))?.revision as number]);
    });
    test("put() with a revision replaces that revision only", async () => {
      const first = await put("k", 1);
      if (!first.ok) throw new Error(first.message);
      const second = await put("k", 2, { expected: first.revision });
      if (!second.ok) throw new Error(second.message);
      expect(second.revision).toBeGreaterThan(first.revision);
      expect(refused(await put("k", 3, { expected: first.revision })).actual).toBe(second.revision);
      expect([...((await at.log.keyValue.get("k"))?.value ?? [])]).toEqual([2]);
    });
    test("of two puts that expect absence one is refused", async () => {
      const results = await Promise.all([put("k", 1, { expected: 0 }), put("k", 2, { expected: 0 })]);
      expect(results.map((result) => result.ok)).toEqual([true, false]);
    });
    test("delete() removes, at the expected revision only", async () => {
      await put("k", 1);
      expect(refused(await at.log.keyValue.delete("k", { expected: 99 })).code).toBe("conflict");
      expect(await at.log.keyValue.delete("k")).toEqual({ ok: true });
      expect(await at.log.keyValue.get("k")).toBeUndefined();
    });
    test("a revision is never given twice, after delete and reopen neither", async () => {
      const first = await put("k", 1);
      await at.log.keyValue.delete("k");
      await at.reopen();
      const second = await put("k", 2);
      if (!first.ok || !second.ok) throw new Error("refused");
      expect(second.revision).toBeGreaterThan(first.revision);
    });
    test("list() gives the keys of a prefix in order, after a cursor", async () => {
      for (const key of ["b/2", "a/1", "b/1", "b/3", "c"]) await put(key, 1);
      expect((await at.log.keyValue.list("b/", "", 2)).map((entry) => entry.key)).toEqual(["b/1", "b/2"]);
      expect((await at.log.keyValue.list("b/", "b/2", 2)).map((entry) => entry.key)).toEqual(["b/3"]);
    });
    test("a value is gone when its time is over, and may be made anew", async () => {
      await put("lease", 1, { expected: 0, ttlMs: 1_000 });
      const rest = await at.advanceAlmost(1_000);
      expect((await at.log.keyValue.get("lease"))?.key).toBe("lease");
      await at.advanceOver(rest);
      expect(await at.log.keyValue.get("lease")).toBeUndefined();
      expect(await at.log.keyValue.list("", "", 10)).toEqual([]);
      expect((await put("lease", 2, { expected: 0 })).ok).toBe(true);
    });
    test("a later put prolongs a value's time", async () => {
      await put("lease", 1, { ttlMs: 1_000 });
      await at.advance(800);
      await put("lease", 1, { ttlMs: 1_000 });
      await at.advance(800);
      expect((await at.log.keyValue.get("lease"))?.key).toBe("lease");
    });
    test("time goes on over a reopen", async () => {
      await put("lease", 1, { ttlMs: 1_000 });
      await at.reopen();
      expect((await at.log.keyValue.get("lease"))?.key).toBe("lease");
      await at.advanceOver(1_000);
      expect(await at.log.keyValue.get("lease")).toBeUndefined();
    });
    test("watch() tells puts and deletions of the prefix, in order", async () => {
      const changes: [string, boolean][] = [];
      let told = Promise.withResolvers<void>();
      at.log.keyValue.watch("a/", (change: KeyValueChange) => {
        changes.push([change.key, "deleted" in change]);
        told.resolve();
      });
      // Each is waited for: of two changes of one key a watcher may be told the later one only.
      const afterNext = async (write: Promise<unknown>): Promise<void> => {
        await Promise.all([write, told.promise]);
        told = Promise.withResolvers();
      };
      await afterNext(put("a/1", 1));
      await put("b/1", 1);
      await afterNext(at.log.keyValue.delete("a/1"));
      await afterNext(put("a/2", 2));
      expect(changes).toEqual([
        ["a/1", false],
        ["a/1", true],
        ["a/2", false],
      ]);
    });
    test("watch() tells the end of a value's time as a deletion", async () => {
      await put("lease", 1, { ttlMs: 1_000 });
      const ended = new Promise<KeyValueChange>((resolve) => at.log.keyValue.watch("", resolve));
      await at.advanceOver(1_000);
      expect(await ended).toMatchObject({ key: "lease", deleted: true });
    });
  });

  describe("blobs", () => {
    test("put() keeps what it was given, after a reopen too", async () => {
      const data = new Uint8Array(300_000).map((_, i) => i % 253);
      expect(await at.log.blobs.put("b", data)).toEqual({ ok: true });
      await at.reopen();
      expect(new Uint8Array((await at.log.blobs.get("b")) ?? [])).toEqual(data);
    });
    test("put() replaces, with less too", async () => {
      await at.log.blobs.put("b", new Uint8Array(200_000));
      await at.log.blobs.put("b", bytes(1, 2));
      expect([...((await at.log.blobs.get("b")) ?? [])]).toEqual([1, 2]);
    });
    test("get() of an empty blob, of none, and of a deleted one", async () => {
      await at.log.blobs.put("empty", bytes());
      expect((await at.log.blobs.get("empty"))?.byteLength).toBe(0);
      expect(await at.log.blobs.get("none")).toBeUndefined();
      await at.log.blobs.delete("empty");
      expect(await at.log.blobs.get("empty")).toBeUndefined();
    });
  });
}
