/**
 * Nodes of one cluster as processes of their own on one nats-server: how soon the others know that one is dead, stands
 * still, goes on, leaves, or has a name that is taken.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { keyDigest } from "../../src/ops/rest/access.ts";
import type { Member } from "../../src/runtime/cluster/membership.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { type ServingGateway, serveWeir, weir } from "../support/weir-command.ts";

const key = "hers";
const slowMs = 60_000;
const withinMs = 20_000;
const pollMs = 10;
/** The promise: a node that dies is found out in less. */
const detectedMs = 3_000;

type Row = { readonly id: string; readonly self: boolean; readonly member: Member };

let server: NatsServer;
let observer: ServingGateway;

function start(node: string): Promise<ServingGateway> {
  const apiKeys = `--security.apiKeys=vera:viewer:${keyDigest(key)}`;
  return serveWeir(["--log", server.url, `--discovery.node=${node}`, apiKeys]);
}

async function rows(): Promise<readonly Row[]> {
  const response = await fetch(`${observer.http}/api/v1/nodes`, { headers: { Authorization: `Bearer ${key}` } });
  return ((await response.json()) as { readonly items: readonly Row[] }).items;
}

async function seen(node: string): Promise<Member> {
  const row = (await rows()).find(({ id }) => id === node);
  if (row === undefined) throw new Error(`The observer knows no ${node}`);
  return row.member;
}

/** Events of its journal, by type. */
async function history(node: string): Promise<readonly string[]> {
  const path = `${observer.http}/api/v1/journals/node/${node}/timeline`;
  const response = await fetch(path, { headers: { Authorization: `Bearer ${key}` } });
  return response.ok ? ((await response.json()) as { items: { type: string }[] }).items.map(({ type }) => type) : [];
}

/** As the observer sees it; answers how long it took. */
async function until(node: string, status: Member["status"]): Promise<number> {
  const from = performance.now();
  for (;;) {
    const found = (await rows()).find(({ id }) => id === node)?.member;
    const tookMs = performance.now() - from;
    if (found?.status === status) return tookMs;
    if (tookMs > withinMs) throw new Error(`${node} is ${found?.status}, not ${status}, after ${tookMs} ms`);
    await Bun.sleep(pollMs);
  }
}

await describeOnNats("newest", "a node of a cluster", () => {
  beforeAll(async () => {
    server = await startNatsServer();
    observer = await start("observer");
  }, slowMs);
  afterAll(async () => {
    await observer[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test(
    "that stands still is suspect, then unhealthy in less than 3 s, and healthy when it goes on, with its sessions",
    async () => {
      await using node = await start("still");
      await until("still", "healthy");
      const { incarnation, load } = await seen("still");
      expect(load.residentBytes).toBeGreaterThan(1_000_000);
      node.child.kill("SIGSTOP");
      await until("still", "suspect");
      const wholeMs = performance.now();
      await until("still", "unhealthy");
      expect(performance.now() - wholeMs).toBeLessThan(detectedMs);
      node.child.kill("SIGCONT");
      expect(await until("still", "healthy")).toBeLessThan(detectedMs);
      expect((await seen("still")).incarnation).toBe(incarnation);
    },
    slowMs,
  );

  test(
    "that is killed is unhealthy in less than 3 s, and is another process when it comes back under its name",
    async () => {
      const first = await start("killed");
      await until("killed", "healthy");
      const before = await seen("killed");
      while (!(await history("killed")).includes("StatusChanged")) await Bun.sleep(pollMs);
      first.child.kill("SIGKILL");
      expect(await until("killed", "unhealthy")).toBeLessThan(detectedMs);
      const metrics = await (await fetch(`${observer.http}/metrics`)).text();
      expect(metrics).toMatch(/^weir_cluster_members\{status="unhealthy"\} [1-9]/m);
      await using _again = await start("killed");
      await until("killed", "healthy");
      const shown = await weir(["nodes", "--url", observer.http, "--token", key]);
      expect(shown.exitCode).toBe(0);
      expect(shown.out).toMatch(/^killed +healthy +.+ws:\/\//m);
      expect(shown.out).toMatch(/^observer \* +healthy/m);
      const after = await seen("killed");
      expect(after.incarnation).not.toBe(before.incarnation);
      while ((await history("killed")).lastIndexOf("StatusChanged") < 6) await Bun.sleep(pollMs);
      const inspected = await weir(["inspect", "node/killed", "--log", server.url]);
      expect(inspected.exitCode).toBe(0);
      for (const fact of ["Suspect, seen by observer: silent", "Unhealthy, seen by observer: silent for long"])
        expect(inspected.out).toContain(fact);
    },
    slowMs,
  );

  test(
    "that has the name of one that lives does not start, and says whose it is",
    async () => {
      const refused = await weir(["serve", "--port", "0", "--log", server.url, "--discovery.node=observer"]);
      expect(refused).toMatchObject({
        exitCode: 1,
        err: expect.stringMatching(
          /weir: A node named observer runs already at ws:\/\/127\.0\.0\.1:\d+\/, since \S+: give this one another name with discovery\.node, or stop that one\n$/,
        ),
      });
      expect((await rows()).find(({ self }) => self)?.member.status).toBe("healthy");
    },
    slowMs,
  );

  test(
    "that is stopped has left for the others before it has ended",
    async () => {
      await using node = await start("stopped");
      await until("stopped", "healthy");
      node.child.kill("SIGTERM");
      await node.child.exited;
      expect(await until("stopped", "left")).toBeLessThan(500);
    },
    slowMs,
  );
});
