/**
 * The promise, with real processes: the gateway is killed without warning again and again under load, a client
 * process too, and the simulator's checkers find nothing lost, nothing twice, nothing out of order.
 * @module
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkEvidence } from "../sim/checkers.ts";
import { newEvidence, type Violation } from "../sim/evidence.ts";
import { ChildProcess } from "./child-process.ts";
import { Crowd } from "./crowd.ts";
import { GatewayProcess } from "./gateway-process.ts";

const kills = 22;
const upMs = { min: 300, max: 1_600 };
const convergeMs = 45_000;
const testMs = 150_000;

async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, fetch: () => new Response() });
  const port = server.port ?? 0;
  await server.stop(true);
  return port;
}

async function untilKept(crowd: Crowd, child: ChildProcess): Promise<readonly Violation[]> {
  const endMs = Date.now() + convergeMs;
  for (;;) {
    crowd.evidence.log = await crowd.log();
    const violations = checkEvidence(child.addTo(crowd.evidence));
    if (violations.length === 0 || Date.now() > endMs) return violations;
    await Bun.sleep(500);
  }
}

test(
  `weir serve keeps every promise when it is killed ${kills} times under load`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-kill-"));
    const gateway = new GatewayProcess(await freePort(), `embedded:${join(folder, "log")}`);
    await gateway.start();
    const crowd = new Crowd(gateway.url, newEvidence());
    await Promise.all([
      crowd.subscriber({ name: "live-2", filter: "t.>", options: { qos: 2 } }),
      crowd.subscriber({ name: "live-1", filter: "t.*", options: { qos: 1 } }),
      crowd.subscriber({ name: "live-0", filter: "t.0", options: { qos: 0 } }),
      crowd.subscriber({
        name: "slow",
        filter: "t.1",
        options: { qos: 2, start: "all", window: { records: 16 } },
        takesMs: 4,
      }),
      crowd.subscriber({ name: "wildcard", filter: ">", options: { qos: 2, start: "all" } }),
      crowd.subscriber({ name: "refusing", filter: "t.2", options: { qos: 1, start: "all" }, refusesEvery: 23 }),
    ]);
    for (const name of ["publisher-1", "publisher-2", "publisher-3"]) crowd.publisher(name, 80);
    crowd.transactionWriter("writer", 20);
    await using child = new ChildProcess([gateway.url], "child");
    let late: Promise<void> | undefined;
    while (gateway.kills < kills) {
      await Bun.sleep(upMs.min + Math.random() * (upMs.max - upMs.min));
      await gateway.kill();
      if (gateway.kills % 4 === 0) await child.killAndRestart();
      await gateway.start();
      if (gateway.kills === kills / 2)
        late = crowd.subscriber({ name: "late", filter: "t.*", options: { qos: 2, start: "all" } });
    }
    child.stopPublishing();
    await late;
    await crowd.settle();
    const violations = await untilKept(crowd, child);
    const stored = crowd.evidence.log.length;
    await crowd.close();
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(violations).toEqual([]);
    expect(stored).toBeGreaterThan(1_000);
  },
  testMs,
);
