/**
 * `bun bench/lifecycle/main.ts [--sessions N]`: what it costs to tell services of sessions. N journals get the entries of a
 * session (opened and attached, subscribed, detached, expired) one after the other, 64 journals at a time, on both logs:
 * without telling, told as Weir does it, and told in one atomic step with each journal entry.
 *
 * CPU is this process's (the gateway's part) and nats-server's; latency is that of one journal write, which a client waits for.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { SessionEvent } from "../../src/actors/session/events.ts";
import { encodeEvent } from "../../src/actors/session/persist.ts";
import { Journal } from "../../src/runtime/journal.ts";
import { lifecycleEvents, lifecycleRecord } from "../../src/runtime/lifecycle/fact.ts";
import { Lifecycle } from "../../src/runtime/lifecycle/lifecycle.ts";
import { openEmbeddedLog } from "../../src/runtime/log/embedded/mod.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { Counters } from "../../src/runtime/metrics.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { startNatsServer } from "../../test/support/nats-server.ts";
import { cpuUs } from "../proc-stat.ts";

const clock = systemClock();
const random = systemRandom();
const logger = { log: () => undefined };
const events = new Set(lifecycleEvents);
const atOnce = 64;
const window = { records: 10, bytes: 1_000 };
const entries: readonly (readonly SessionEvent[])[] = [
  [
    { type: "Opened", at: 0, subject: "ada", resumeKeyHash: "h".repeat(43), resumeWindowMs: 60_000 },
    { type: "Attached", at: 0, owner: 1, node: "n1", connection: "n1/c1" },
  ],
  [
    {
      ...{ type: "Subscribed", at: 0, filter: "orders.>", qos: 2, positions: [1, 1, 1, 1], lastOnlyUpTo: 0 },
      ...{ window, congestion: "skip", ackWaitMs: 30_000, maxDeliver: 0 },
    },
  ],
  [{ type: "Detached", at: 0, cause: "socketClosed 1006" }],
  [{ type: "Expired", at: 0 }],
];
const writes = entries.length;

type Way = "not told" | "told afterwards" | "told in one step";
type Figures = { readonly ms: readonly number[]; readonly tookMs: number; readonly records: number };

async function run(log: EventLog, way: Way, sessions: number): Promise<Figures> {
  const counters = new Counters();
  const lifecycle = new Lifecycle({ log, clock, logger, counters, events: lifecycleEvents });
  const ms: number[] = [];
  let records = 0;
  const live = async (id: string): Promise<void> => {
    const written = (first: number, data: readonly Uint8Array[]): void => lifecycle.written(id, first, data);
    const key = { kind: "session", id };
    const journal = new Journal(log, clock, { key, seq: 0, ...(way === "told afterwards" ? { written } : {}) });
    for (const facts of entries) {
      const since = performance.now();
      const data = facts.map(encodeEvent);
      if (way !== "told in one step") await journal.append(data);
      else {
        const told = facts.flatMap(
          (fact, i) => lifecycleRecord(fact, { session: id, subject: "ada", seq: journal.seq + 1 + i }, events) ?? [],
        );
        const result = await journal.step(data, (part) => log.append({ records: told, journal: part }));
        if (!result.ok) throw new Error(result.message);
        records += told.length;
      }
      ms.push(performance.now() - since);
    }
    lifecycle.dropped(id);
  };
  const since = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < sessions) {
      next++;
      await live(random.token(16));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await lifecycle.stop();
  return {
    ms: ms.sort((a, b) => a - b),
    tookMs: performance.now() - since,
    records: records + counters.lifecycleRecords,
  };
}

/** Each way on a log of its own: what rests from one must not slow the next. */
async function measure(
  name: string,
  sessions: number,
  open: () => Promise<{ log: EventLog; pid?: number; end(): Promise<void> }>,
) {
  for (const way of ["not told", "told afterwards", "told in one step"] as const) {
    const { log, pid, end } = await open();
    await run(log, way, 500);
    const before = { own: cpuUs(process.pid), server: pid === undefined ? 0 : cpuUs(pid) };
    const { ms, tookMs, records } = await run(log, way, sessions);
    // Until the checkpoints of those that rest are written.
    if (pid !== undefined) await Bun.sleep(11_000);
    const own = (cpuUs(process.pid) - before.own) / sessions;
    const server = pid === undefined ? 0 : (cpuUs(pid) - before.server) / sessions;
    const at = (share: number): string => (ms[Math.floor(ms.length * share)] ?? 0).toFixed(2);
    console.log(
      `| ${name} | ${way} | ${Math.round((sessions * 1_000) / tookMs)} | ${own.toFixed(0)} | ${server.toFixed(0)} | ${at(0.5)} | ${at(0.99)} | ${records / sessions} |`,
    );
    await end();
  }
}

const { values } = parseArgs({ options: { sessions: { type: "string", default: "5000" } } });
const sessions = Number(values.sessions);
console.log(`Sessions with ${writes} journal writes each, ${atOnce} at a time:\n`);
console.log(
  "| log | way | sessions/s | µs CPU a session, gateway | nats-server | ms a write, median | p99 | records a session |",
);
console.log("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
await measure("embedded", sessions, async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-lifecycle-"));
  const log = await openEmbeddedLog(folder, { clock, random });
  return { log, end: () => log.close().then(() => rmSync(folder, { recursive: true, force: true })) };
});
await measure("NATS, r1", sessions, async () => {
  const server = await startNatsServer();
  const log = await openJetStreamLog({
    servers: [server.url],
    name: "weir",
    provision: { replicas: 1 },
    clock,
    random,
    logger,
  });
  return { log, pid: server.pid, end: () => log.close().then(() => server[Symbol.asyncDispose]()) };
});
