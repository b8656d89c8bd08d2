/** The gateway as a process of each runtime: it keeps its log over a kill, stops in order, and says what it lacks. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/client/mod.ts";
import { until } from "../gateway/stage.ts";
import { findNatsBinary } from "../support/nats-binary.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { ended, HostedGateway, temporaryFolder } from "./hosted-gateway.ts";
import { type Host, hosts, root } from "./hosts.ts";

const timeoutMs = 60_000;
const records = 30;

function testOn(host: Host, what: string, run: () => Promise<void>): void {
  const reason = host.missing === undefined ? "" : ` (skipped: ${host.missing})`;
  test.skipIf(host.missing !== undefined)(`a gateway on ${host.name} ${what}${reason}`, run, timeoutMs);
}

function hostNamed(name: Host["name"]): Host {
  const found = hosts.find((host) => host.name === name);
  if (found === undefined) throw new Error(`No host is named ${name}`);
  return found;
}

async function publish(url: string, from: number): Promise<void> {
  const client = connect(url);
  await Promise.all(Array.from({ length: records }, (_, i) => client.publish("orders.eu", { n: from + i })));
  await client.close();
}

async function everything(url: string): Promise<unknown[]> {
  const client = connect(url);
  const read = await client.history("orders.>");
  await client.close();
  return read.records.map((record) => (record.json() as { n: number }).n);
}

for (const host of hosts) {
  testOn(host, "tells of itself what its runtime tells, and exports spans", async () => {
    const spans: string[] = [];
    await using collector = Bun.serve({
      port: 0,
      fetch: async (request) => {
        spans.push(await request.text());
        return Response.json({});
      },
    });
    const tracing = [`--monitoring.tracing.endpoint=${collector.url.origin}/v1/traces`, "--monitoring.tracing.ratio=1"];
    await using gateway = await HostedGateway.start(await host.weir(), ["--log", "memory:", ...tracing]);
    await publish(gateway.url, 0);
    await until(() => spans.join().includes("orders.eu"), "its spans have come", timeoutMs / 2);
    const shown = await (await fetch(`${gateway.url.replace("ws", "http")}/metrics`)).text();
    const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(shown)?.[1] ?? Number.NaN);
    expect(value("weir_heap_used_bytes")).toBeGreaterThan(1_000_000);
    expect(value("weir_heap_used_bytes")).toBeLessThan(1_000_000_000);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(20_000_000);
    expect(value("process_cpu_seconds_total")).toBeGreaterThan(0.01);
    expect(value("weir_event_loop_delay_seconds_count")).toBeGreaterThan(5);
    expect(value("weir_records_published_total")).toBe(records);
    expect(shown.includes("weir_gc_pause_seconds")).toBe(host.name === "Node");
  });

  testOn(host, "stops on SIGTERM with exit code 0, also with a client that neither reads nor leaves", async () => {
    const options = ["--log", "memory:", "--limits.drainMs=200"];
    await using gateway = await HostedGateway.start(await host.weir(), options);
    const opened = Promise.withResolvers<void>();
    const client = rawWebSocket({
      url: `${gateway.url}/`,
      subprotocols: ["weir.v1.json"],
      events: { open: () => opened.resolve(), message() {}, close() {} },
    });
    await opened.promise;
    client.stall();
    expect(await gateway.stop()).toBe(0);
    client.unstall();
  });
}

for (const host of hosts) {
  const nats = await findNatsBinary("floor");
  if (!nats.found) break;
  testOn(host, "stops on SIGTERM with exit code 0 when its log is on NATS", async () => {
    await using server = await startNatsServer({ line: "floor" });
    await using gateway = await HostedGateway.start(await host.weir(), ["--log", server.url]);
    await publish(gateway.url, 0);
    expect(await gateway.stop()).toBe(0);
  });
}

testOn(hostNamed("Deno"), "keeps an embedded log over SIGKILL, and Bun goes on with it", async () => {
  using folder = temporaryFolder();
  const options = ["--log", `embedded:${join(folder.path, "log")}`];
  const weir = await hostNamed("Deno").weir();
  await using first = await HostedGateway.start(weir, options);
  await publish(first.url, 0);
  const second = await ended([...weir, "serve", "--port", "0", ...options]);
  expect([second.exitCode, second.stderr.includes("is being written by another gateway")]).toEqual([1, true]);
  await first.stop("SIGKILL");
  for (const [round, next] of ["Deno", "Bun"].entries()) {
    await using gateway = await HostedGateway.start(await hostNamed(next as Host["name"]).weir(), options);
    await publish(gateway.url, (round + 1) * records);
    expect(await everything(gateway.url)).toEqual(Array.from({ length: (round + 2) * records }, (_, i) => i));
    expect(await gateway.stop()).toBe(0);
  }
});

testOn(hostNamed("Node"), "refuses an embedded log where Node brings no SQLite, and says what to use", async () => {
  using folder = temporaryFolder();
  const weir = await hostNamed("Node").weir();
  const { exitCode, stderr } = await ended([...weir, "serve", "--log", `embedded:${join(folder.path, "log")}`]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("weir: The embedded log cannot be locked on Node 20.");
  expect(stderr).toContain("use --log memory: or NATS, or run Weir on Bun, Deno or Node from 22.13 on");
});

testOn(hostNamed("Node"), "says how to add uWebSockets.js where it is missing", async () => {
  using folder = temporaryFolder();
  const [node, main] = (await hostNamed("Node").weir()) as [string, string];
  const modules = join(folder.path, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "uWebSockets.js") symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  const copy = join(folder.path, "weir.mjs");
  await Bun.write(copy, Bun.file(main));
  const { exitCode, stderr } = await ended([node, copy, "serve", "--port", "0", "--log", "memory:"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("needs uWebSockets.js, which is not installed: add it with `npm install uNetworking/");
});

testOn(hostNamed("Node"), "has commands of clients say that Node 20 brings no WebSocket", async () => {
  const weir = await hostNamed("Node").weir();
  const { exitCode, stderr } = await ended([...weir, "publish", "orders.eu", "{}"]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^weir: weir publish needs a WebSocket, and Node 20\.\S+ has none: run it on Bun/);
});
