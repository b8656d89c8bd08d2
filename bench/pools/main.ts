/**
 * Pools of one gateway on the embedded log: `bun bench/pools/main.ts [records] [members]`. How many records a second go to
 * members and are done, and what a member costs in memory.
 * @module
 */
import { heapStats } from "bun:jsc";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolMember } from "../../src/actors/pool/events.ts";
import { Ledger } from "../../src/actors/pool/ledger.ts";
import { poolDefaults } from "../../src/actors/pool/settings.ts";
import { initialPoolState } from "../../src/actors/pool/state.ts";
import { type Client, connect } from "../../src/client/mod.ts";
import { joinPool } from "../../src/client/pool.ts";
import { freePort } from "../../src/ops/demo/gateway-process.ts";
import { keyDigest } from "../../src/ops/rest/access.ts";
import type { PoolView } from "../../src/runtime/pool/pool-view.ts";

const records = Number(process.argv[2] ?? 100_000);
const idleMembers = Number(process.argv[3] ?? 10_000);
const payload = new Uint8Array(200);
const key = "key-of-the-bench";
const readyMs = 20_000;
const directory = mkdtempSync(join(tmpdir(), "weir-bench-pools-"));
const port = await freePort();
const http = `http://127.0.0.1:${port}`;
const main = join(import.meta.dir, "../../src/ops/cli/main.ts");
const options = ["--port", String(port), "--log", `embedded:${directory}`, "--log-level", "error"];
const gateway = Bun.spawn([process.execPath, main, "serve", ...options], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, WEIR_SECURITY__API_KEYS: `bench:admin:${keyDigest(key)}` },
});
const clients: Client[] = [];

try {
  await until(async () => (await fetch(`${http}/ready`).catch(() => undefined))?.ok === true, readyMs);
  console.log(
    "| members | capacity | strategy | records | s | records/s | gateway CPU µs/record |\n|---|---|---|---|---|---|---|",
  );
  await throughput({ members: 4, capacity: 64, strategy: "leastConnections" });
  await throughput({ members: 4, capacity: 64, strategy: "roundRobin" });
  await throughput({ members: 64, capacity: 16, strategy: "leastConnections" });
  await throughput({ members: 64, capacity: 16, strategy: "hash" });
  memory();
} finally {
  await Promise.all(clients.map((client) => client.close()));
  gateway.kill("SIGTERM");
  await gateway.exited;
  rmSync(directory, { recursive: true, force: true });
}

type Run = { readonly members: number; readonly capacity: number; readonly strategy: string };

/** Members join a pool that has all its work before it. */
async function throughput({ members, capacity, strategy }: Run): Promise<void> {
  const name = `p${members}-${strategy}`;
  await rest("/api/v1/pools", { name, filters: [`${name}.>`], strategy });
  const publisher = open();
  for (let n = 0; n < records; n++) {
    void publisher.publish(`${name}.t${n % 1_000}`, payload);
    if (n % 1_000 === 0) await publisher.writable();
  }
  await publisher.flush();
  await rest(`/api/v1/pools/${name}/drain`, {});
  let done = 0;
  const all = Promise.withResolvers<void>();
  for (let i = 0; i < members; i++)
    await joinPool(open(), name, { capacity }, () => {
      if (++done === records) all.resolve();
    }).ready;
  const cpuBefore = await metric("process_cpu_seconds_total");
  const from = performance.now();
  await fetch(`${http}/api/v1/pools/${name}/drain`, { method: "DELETE", headers: { authorization: `Bearer ${key}` } });
  await all.promise;
  const seconds = (performance.now() - from) / 1_000;
  const cpu = ((await metric("process_cpu_seconds_total")) - cpuBefore) * 1e6;
  const rate = Math.round(records / seconds);
  console.log(
    `| ${members} | ${capacity} | ${strategy} | ${records} | ${seconds.toFixed(1)} | ${rate} | ${(cpu / records).toFixed(1)} |`,
  );
  const view = (await rest(`/api/v1/pools/${name}`)) as PoolView;
  if (view.redispatches > 0) throw new Error(`${view.redispatches} records were given out again`);
  await Promise.all(clients.splice(0).map((client) => client.close()));
}

/** Live objects of a coordinator for members that have nothing to do, after a collection; their connections not counted. */
function memory(): void {
  const settings = { ...poolDefaults, filters: ["idle.>"] };
  const bounds = { waitingMax: 1_024, waitingBytesMax: 4_194_304, retriesMax: 1_024, memberBytesMax: 524_288 };
  let state = initialPoolState;
  const ledger = new Ledger(state, { settings, chance: () => 0.5, ...bounds });
  Bun.gc(true);
  const before = heapStats().heapSize;
  const members = new Map<string, PoolMember>();
  for (let i = 0; i < idleMembers; i++) {
    const id = `${"s".repeat(22)}${i}/t`;
    const about = { node: "a", session: id, subject: "", weight: 1, capacity: 8, tags: [], draining: false, since: i };
    members.set(id, { id, ...about });
    ledger.join({ id, ...about });
  }
  state = { ...state, members };
  ledger.assign(1);
  Bun.gc(true);
  const each = (heapStats().heapSize - before) / state.members.size;
  console.log(
    `\n${idleMembers} members without work: ${Math.round(each)} bytes of live objects each, at the coordinator`,
  );
}

function open(): Client {
  const client = connect(`ws://127.0.0.1:${port}/`);
  clients.push(client);
  return client;
}

async function rest(path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${http}${path}`, {
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined
      ? {}
      : { method: "POST", ...(path.endsWith("/drain") ? {} : { body: JSON.stringify(body) }) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  if (path === "/api/v1/pools") await until(async () => hasCoordinator((body as { name: string }).name), readyMs);
  return await response.json();
}

async function hasCoordinator(name: string): Promise<boolean> {
  return ((await rest(`/api/v1/pools/${name}`)) as PoolView).coordinator !== undefined;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
}

async function until(fact: () => Promise<boolean>, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await fact())) {
    if (performance.now() > end) throw new Error(`Not within ${withinMs} ms`);
    await Bun.sleep(20);
  }
}
