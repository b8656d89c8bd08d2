/**
 * Retention that is faster than a node: what it took is never passed over without a word.
 */
import { expect, test } from "bun:test";
import { normalLane } from "../../../src/protocol/lane.ts";
import type { EventLog } from "../../../src/runtime/log/event-log.ts";
import { SimClock, SimProcess } from "../clock.ts";
import { type Chance, chanceFrom } from "../random.ts";
import type { NatsMeddling } from "./connection.ts";
import { fromJson } from "./message.ts";
import { purge } from "./server.ts";
import { NatsStorage } from "./storage.ts";
import type { SimStream } from "./stream.ts";

const everything = { filter: ">", after: 0, recordsMax: 100, bytesMax: 1e6 };

/** Three servers; every direct read is answered by the second one, which is also the one that falls behind. */
function secondServer(): Chance {
  const chance: Chance = { ...chanceFrom("second server"), hit: () => true, int: () => 1, fork: () => chance };
  return chance;
}

const records = ({ nats }: NatsStorage) => nats.streams[0] as SimStream;

function stage(meddling: NatsMeddling) {
  const clock = new SimClock();
  const storage = new NatsStorage(clock, secondServer(), {
    skewMs: () => 0,
    logger: () => ({ log: () => undefined }),
    meddling,
    isSettled: () => true,
  });
  const later = <T>(promise: Promise<T>): T => {
    let result: { readonly value: T } | undefined;
    void promise.then((value) => {
      result = { value };
    });
    clock.runUntil(clock.nowMs + 1_000);
    if (result === undefined) throw new Error("It did not come back within a second");
    return result.value;
  };
  const log = later(storage.open(new SimProcess("node")));
  const append = (count: number): void => {
    const one = { topic: "t", id: "", lane: normalLane, payload: new Uint8Array(1) };
    expect(later(log.append({ records: Array.from({ length: count }, () => one) })).ok).toBe(true);
  };
  return { clock, storage, log: log as EventLog, later, append };
}

test("read() tells what retention took while the page was read, also in the middle of it", () => {
  let takeNow: (() => void) | undefined;
  const { storage, log, later, append } = stage({
    sends: (message) => {
      const isNext = message.subject === "$JS.API.STREAM.MSG.GET.WEIR";
      if (isNext && fromJson<{ seq?: number }>(message.data).seq === 4) takeNow?.();
      return message;
    },
  });
  append(3);
  storage.nats.freezeReplica(5_000);
  append(6);
  takeNow = () => purge(records(storage), { filter: "weir.t.>", seq: 7 });
  const page = later(log.read(everything));
  expect(page.records.map(({ seq }) => seq)).toEqual([1, 2, 3, 7, 8, 9]);
  expect(log.info().firstSeq).toBe(7);
});

test("read() tells that retention took everything", () => {
  const { storage, log, later, append } = stage({});
  append(3);
  purge(records(storage), { filter: "weir.t.>", seq: 4 });
  expect(later(log.read(everything)).records).toEqual([]);
  expect(log.info()).toMatchObject({ firstSeq: 4, lastSeq: 3 });
});

test("follow() tells what retention took while NATS was away, before what comes then", () => {
  const { clock, storage, log, append } = stage({});
  append(1);
  const told: unknown[] = [];
  log.follow(
    1,
    (page) => told.push(...page.map(({ seq }) => seq)),
    (firstSeq) => told.push({ firstSeq, known: log.info().firstSeq }),
  );
  append(1);
  storage.nats.away(5_000);
  const missed = { subject: "weir.t.t", fields: new Map<string, string>(), data: new Uint8Array(1) };
  for (let i = 0; i < 4; i++) records(storage).store(missed);
  purge(records(storage), { filter: "weir.t.>", seq: 6 });
  clock.runUntil(clock.nowMs + 10_000);
  append(1);
  expect(told).toEqual([2, { firstSeq: 6, known: 6 }, 6, 7]);
});
