/**
 * How fast operators look back, on the embedded log: `bun bench/replay/main.ts`.
 *
 * fold: events of a session's journal decoded and folded, from memory, and read from the log · open: a session with a
 * million events, through its snapshot · replay: records of the log to a sink that counts them.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SessionEvent } from "../../src/actors/session/events.ts";
import { evolve } from "../../src/actors/session/evolve.ts";
import { decodeEvent, encodeEvent } from "../../src/actors/session/persist.ts";
import { initialState } from "../../src/actors/session/state.ts";
import { inspectActor } from "../../src/ops/replay/inspect.ts";
import { foldJournal } from "../../src/ops/replay/journal-actor.ts";
import { playRecords } from "../../src/ops/replay/play.ts";
import { sessionFold } from "../../src/ops/replay/session-actor.ts";
import { openEmbeddedLog } from "../../src/runtime/log/embedded/mod.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import { encodeSnapshot } from "../../src/runtime/session/snapshot.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";

const events = 1_000_000;
const records = 1_000_000;
const payloadBytes = 100;
const groupMax = 2_000;
/** What a gateway leaves between two snapshots. */
const sinceSnapshot = 128;
const key = { kind: "session", id: "bench" };
const opens = 20;

/** Mostly positions, now and then a record that is given back: as a consumer's journal looks. */
function eventAt(i: number): SessionEvent {
  const at = 1_700_000_000_000 + i * 1_000;
  if (i === 0) return { type: "Opened", at, subject: "bench", resumeKeyHash: "h".repeat(43), resumeWindowMs: 300_000 };
  if (i === 1) return { type: "Attached", at, owner: 1, node: "n1", connection: "n1/c1" };
  if (i === 2)
    return {
      ...{ type: "Subscribed", at, filter: "orders.>", qos: 1, positions: [0, 0, 0, 0], lastOnlyUpTo: 0 },
      ...{ window: { records: 8_192, bytes: 1_048_576 }, congestion: "skip", ackWaitMs: 30_000, maxDeliver: 10 },
    };
  const nak = { filter: "orders.>", seq: i } as const;
  if (i % 20 === 5)
    return { type: "Nacked", at, ...nak, lane: 2, attempts: 1, dueAt: at + 1_000, reason: "database away" };
  if (i % 20 === 6) return { type: "NakSettled", at, ...nak, seq: i - 1 };
  if (i % 4 === 3) return { type: "PublishedUpTo", at, n: i };
  return { type: "Acknowledged", at, filters: [{ filter: "orders.>", positions: [i, i, i, i] }] };
}

type Start = { readonly wallMs: number; readonly cpuUs: number };

function start(): Start {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuUs: user + system };
}

/** A second of this process's own CPU time says the same on a busy machine as on a quiet one. */
function rate(count: number, from: Start): string {
  const { user, system } = process.cpuUsage();
  const perSecond = (count * 1_000) / (performance.now() - from.wallMs);
  const perCpuSecond = (count * 1_000_000) / (user + system - from.cpuUs);
  return `${Math.round(perSecond / 1_000)} k/s, ${Math.round(perCpuSecond / 1_000)} k per CPU second`;
}

function foldInMemory(encoded: readonly Uint8Array[]) {
  let state = initialState;
  for (const data of encoded) state = evolve(state, decodeEvent(data));
  return state;
}

async function fill(log: EventLog, encoded: readonly Uint8Array[]): Promise<void> {
  for (let i = 0; i < encoded.length; i += groupMax) {
    const result = await log.journals.append({ key, expected: i, entries: encoded.slice(i, i + groupMax) });
    if (!result.ok) throw new Error(result.message);
  }
  for (let i = 0; i < records; i += groupMax) {
    const group = Array.from({ length: Math.min(groupMax, records - i) }, (_, k) => ({
      ...{ topic: `orders.${(i + k) % 100}`, id: `bench/${i + k + 1}`, lane: 2 as const },
      payload: new Uint8Array(payloadBytes),
    }));
    const result = await log.append({ records: group });
    if (!result.ok) throw new Error(result.message);
  }
}

const folder = mkdtempSync(join(tmpdir(), "weir-bench-replay-"));
const clock = systemClock();
const ports = { clock, random: systemRandom() };
try {
  const encoded = Array.from({ length: events }, (_, i) => encodeEvent(eventAt(i)));
  foldInMemory(encoded.slice(0, 50_000)); // warm
  for (let round = 1; round <= 3; round++) {
    const from = start();
    foldInMemory(encoded);
    console.log(`fold, from memory        ${rate(events, from)}`);
  }
  const writer = await openEmbeddedLog(folder, ports);
  await fill(writer, encoded);
  const at = events - sinceSnapshot;
  await writer.journals.saveSnapshot(key, { seq: at, data: encodeSnapshot(foldInMemory(encoded.slice(0, at))) });
  await writer.close();

  const log = await openEmbeddedLog(folder, { ...ports, readOnly: true });
  for (let round = 1; round <= 2; round++) {
    const from = start();
    const { seq } = await foldJournal(sessionFold, { log, id: key.id, at: { time: Number.MAX_SAFE_INTEGER } });
    console.log(`fold, read from the log  ${rate(seq, from)}`);
  }
  const took: number[] = [];
  for (let i = 0; i < opens; i++) {
    const from = performance.now();
    const { seq } = await inspectActor(log, key);
    if (seq !== events) throw new Error(`Opened at ${seq}`);
    took.push(performance.now() - from);
  }
  console.log(
    `open, ${events} events   ${took
      .map((ms) => ms.toFixed(1))
      .slice(0, 3)
      .join(" ")} … ms, slowest ${Math.max(...took).toFixed(1)} ms`,
  );
  for (const filter of [">", "orders.7"]) {
    let count = 0;
    const from = start();
    await playRecords(log, { filter, pace: "max", clock }, (page) => {
      count += page.length;
    });
    console.log(`replay ${filter.padEnd(10)}       ${rate(count, from)} of ${count} records`);
  }
  await log.close();
} finally {
  rmSync(folder, { recursive: true });
}
