/**
 * One node's log on the simulated NATS, for tests of what it does when things come in one certain order.
 * @module
 */
import { normalLane } from "../../../src/protocol/lane.ts";
import type { EventLog, NewRecord } from "../../../src/runtime/log/event-log.ts";
import { SimClock, SimProcess } from "../clock.ts";
import { type Chance, chanceFrom } from "../random.ts";
import type { NatsMeddling } from "./connection.ts";
import { NatsStorage } from "./storage.ts";
import type { SimStream } from "./stream.ts";

/** Of three servers every direct read is answered by the second one, which is also the one that falls behind. */
export function logStage(servers: 1 | 3, meddling: NatsMeddling = {}) {
  const chance: Chance = { ...chanceFrom("stage"), hit: () => servers === 3, int: () => 1, fork: () => chance };
  const clock = new SimClock();
  const storage = new NatsStorage(clock, chance, {
    skewMs: () => 0,
    logger: () => ({ log: () => undefined }),
    meddling,
    isSettled: () => true,
    batches: true,
  });
  /** What it comes back with within so long. */
  const within = <T>(ms: number, promise: Promise<T>): T => {
    let result: { readonly value: T } | undefined;
    void promise.then((value) => {
      result = { value };
    });
    clock.runUntil(clock.nowMs + ms);
    if (result === undefined) throw new Error(`It did not come back within ${ms} ms`);
    return result.value;
  };
  const another = (name: string): EventLog => within(1_000, storage.open(new SimProcess(name)));
  const log = another("node");
  return { clock, nats: storage.nats, records: storage.nats.streams[0] as SimStream, log, another, within };
}

export function recordsOf(count: number): NewRecord[] {
  return Array.from({ length: count }, () => ({ topic: "t", id: "", lane: normalLane, payload: new Uint8Array(1) }));
}
