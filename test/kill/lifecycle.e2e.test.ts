/**
 * A gateway is killed without warning again and again while sessions open, subscribe, detach and expire: of every entry
 * in their journals services are told at least once, on both logs.
 * @module
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../src/client/mod.ts";
import { lifecycleEvents } from "../../src/runtime/lifecycle/fact.ts";
import { openEmbeddedLog } from "../../src/runtime/log/embedded/mod.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import type { Violation } from "../sim/evidence.ts";
import { checkLifecycle, type JournalledEntry, lifecycleFilter, type ToldRecord } from "../sim/lifecycle.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { claimPort } from "../support/nats-port.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { GatewayProcess } from "./gateway-process.ts";

const kills = 4;
const upMs = { min: 150, max: 500 };
const visitors = 12;
const resumeWindowMs = 250;
const convergeMs = 20_000;
const testMs = 60_000;
/** With a name it knows at once that what died was itself, and nobody waits for the end of a lease. */
const env = { WEIR_LIFECYCLE__EVENTS: lifecycleEvents.join(","), WEIR_DISCOVERY__NODE: "n1" };
const ports = { clock: systemClock(), random: systemRandom() };

/** Comes and goes, each time in another session, until it is told to stop. */
async function visit(url: string, stops: { readonly now: boolean }): Promise<void> {
  while (!stops.now) {
    const client = connect(url, { resumeWindowMs, reconnect: { minMs: 10, maxMs: 50 } });
    client.subscribe("t.>", () => undefined);
    await client.connected();
    await Bun.sleep(Math.random() * 300);
    await client.close();
  }
}

/** Journals and records as they are stored. The log must be nobody else's then. */
async function look(log: EventLog): Promise<{ readonly entries: JournalledEntry[]; readonly told: ToldRecord[] }> {
  const entries: JournalledEntry[] = [];
  for (const session of await log.journals.list("session", "", 100_000))
    for (const { seq, data } of await log.journals.read({ kind: "session", id: session }, 0, 100_000))
      entries.push({ session, seq, data });
  const { records } = await log.read({ filter: lifecycleFilter, after: 0, recordsMax: 1e6, bytesMax: 1e9 });
  await log.close();
  return { entries, told: [...records] };
}

async function survives(at: { readonly url: string; readonly open: () => Promise<EventLog> }): Promise<void> {
  const port = await claimPort();
  const gateway = new GatewayProcess(port.port, at.url, env);
  await gateway.start();
  const stops = { now: false };
  const visits = Array.from({ length: visitors }, () => visit(gateway.url, stops));
  while (gateway.kills < kills) {
    await Bun.sleep(upMs.min + Math.random() * (upMs.max - upMs.min));
    await gateway.kill();
    await gateway.start();
  }
  stops.now = true;
  await Promise.all(visits);
  const endMs = Date.now() + convergeMs;
  let violations: readonly Violation[] = [];
  for (;;) {
    await Bun.sleep(2 * resumeWindowMs);
    await gateway.stop();
    const { entries, told } = await look(await at.open());
    violations = checkLifecycle(entries, told);
    const topics = new Set(told.map(({ topic }) => topic));
    expect(topics.has("$lifecycle.session.expired")).toBe(true);
    expect(new Set(entries.map(({ session }) => session)).size).toBeGreaterThan(2 * visitors);
    if (violations.length === 0 || Date.now() > endMs) break;
    await gateway.start();
  }
  port.release();
  expect(violations).toEqual([]);
}

test(
  `services are told every entry of every session's journal, though weir serve is killed ${kills} times`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-lifecycle-"));
    try {
      const directory = join(folder, "log");
      await survives({ url: `embedded:${directory}`, open: () => openEmbeddedLog(directory, ports) });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  testMs,
);

await describeOnNats("newest", "a service of lifecycle records", () => {
  test(
    `is told every entry of every session's journal, though weir serve is killed ${kills} times`,
    async () => {
      await using server = await startNatsServer();
      const logger = { log: () => undefined };
      const options = { servers: [server.url], name: "weir", provision: { replicas: 1 }, logger, ...ports };
      await survives({ url: server.url, open: () => openJetStreamLog(options) });
    },
    testMs,
  );
});
