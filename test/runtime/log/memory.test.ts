/**
 * The memory log keeps the contract, and crashes as the simulator needs it.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { eventLogContract } from "../../contract/event-log.ts";
import { ManualClock } from "./manual-clock.ts";
import { newRecord, texts } from "./new-record.ts";

eventLogContract("memory", async () => {
  const clock = new ManualClock();
  let log = openMemoryLog({ clock, epoch: "epoch-1" });
  return {
    log,
    reopen: async () => {
      await log.close();
      log = openMemoryLog({ clock, epoch: "epoch-2", image: log.crash() });
      return log;
    },
    advance: (ms) => clock.advance(ms),
    dispose: () => log.close(),
  };
});

const everything = { filter: ">", after: 0, recordsMax: 100, bytesMax: 1e6 };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function tracked(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false };
  void promise.finally(() => {
    state.settled = true;
  });
  return state;
}

describe("memory: crash", () => {
  test("crash() forgets what was not flushed and keeps what was", async () => {
    const clock = new ManualClock();
    const log = openMemoryLog({ clock, epoch: "e", flushMs: () => 5 });
    const first = log.append({ records: [newRecord("a", "kept")] });
    clock.advance(5);
    expect((await first).ok).toBe(true);
    void log.append({ records: [newRecord("a", "lost")] });
    clock.advance(4);
    const again = openMemoryLog({ clock, epoch: "other", image: log.crash() });
    expect(texts((await again.read(everything)).records)).toEqual(["kept"]);
    expect(again.info().epoch).toBe("e");
  });
  test("crash() between flush and answer keeps the record and never answers", async () => {
    const clock = new ManualClock();
    const log = openMemoryLog({ clock, epoch: "e", flushMs: () => 5, answerMs: () => 5 });
    const append = tracked(log.append({ records: [newRecord("a", "kept")] }));
    clock.advance(7);
    const again = openMemoryLog({ clock, epoch: "e", image: log.crash() });
    clock.advance(100);
    await turn();
    expect(append.settled).toBe(false);
    expect(texts((await again.read(everything)).records)).toEqual(["kept"]);
  });
  test("after crash() nothing settles and nothing calls back", async () => {
    const clock = new ManualClock();
    const log = openMemoryLog({ clock, epoch: "e", flushMs: () => 5 });
    let calls = 0;
    log.follow(0, () => {
      calls++;
    });
    log.keyValue.watch("", () => {
      calls++;
    });
    const pending = [
      log.append({ records: [newRecord("a")] }),
      log.keyValue.put("k", new Uint8Array(1), { ttlMs: 1 }),
    ].map(tracked);
    log.crash();
    pending.push(tracked(log.read(everything)), tracked(log.append({ records: [newRecord("a")] })));
    clock.advance(1_000);
    await turn();
    expect(pending.map((each) => each.settled)).toEqual([false, false, false, false]);
    expect(calls).toBe(0);
  });
  test("appends fail as told, and go on afterwards", async () => {
    let code: "full" | "unavailable" | undefined = "full";
    const log = openMemoryLog({ clock: new ManualClock(), epoch: "e", failure: () => code });
    expect(await log.append({ records: [newRecord("a")] })).toMatchObject({ ok: false, code: "full", retryable: true });
    code = "unavailable";
    expect(await log.append({ records: [newRecord("a")] })).toMatchObject({ ok: false, code: "unavailable" });
    code = undefined;
    expect(await log.append({ records: [newRecord("a")] })).toMatchObject({ ok: true, seqs: [1] });
  });
});
