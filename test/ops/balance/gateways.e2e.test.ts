/**
 * `weir balance` as people run it, in front of gateways as people run them: the SDK goes through it, a
 * session survives the death of its gateway, and 200 MB to a client that reads slowly leave its memory flat.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "../../../src/client/mod.ts";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { describeOnNats } from "../../support/nats-binary.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { dialPeer } from "../../support/tcp-peer.ts";
import { serveWeir, startWeir, weir } from "../../support/weir-command.ts";
import { agreeing, upgradeHead } from "./stage.ts";

/** `weir balance` on a free port, when it says where it listens. */
async function balance(backends: readonly string[], words: readonly string[] = [], token?: string) {
  const named = backends.flatMap((url) => ["--backend", url]);
  const child = startWeir(["balance", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...named, ...words], {
    ...(token === undefined ? {} : { env: { WEIR_TOKEN: token } }),
  });
  const reader = child.stdout.getReader();
  let out = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The proxy ended: ${out}${await new Response(child.stderr).text()}`);
    out += new TextDecoder().decode(value);
    const [, url, available] = /balances (ws:\S+) over \d+ backends, (\d+) available/.exec(out) ?? [];
    const admin = /admin {2}(http:\/\/127\.0\.0\.1:\d+)/.exec(out)?.[1];
    if (url === undefined || admin === undefined) continue;
    reader.releaseLock();
    return {
      ...{ child, url, admin, available: Number(available) },
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await child.exited;
      },
    };
  }
}

await describeOnNats("newest", "a session behind the proxy", () => {
  test("survives the death of its gateway: it goes on at the other one, nothing lost, nothing twice", async () => {
    await using server = await startNatsServer();
    const gateways = await Promise.all([serveWeir(["--log", server.url]), serveWeir(["--log", server.url])]);
    await using stack = new AsyncDisposableStack();
    for (const gateway of gateways) stack.use(gateway);
    const words = ["--sticky", "cookie", "--health-interval", "200ms", "--log-level", "error"];
    await using proxy = await balance(
      gateways.map(({ url }) => url),
      words,
    );
    expect(proxy.available).toBe(2);
    const client = connect(proxy.url);
    const seen: string[] = [];
    let wake: () => void = () => undefined;
    await client.subscribe("t", { qos: 2 }, (record) => {
      seen.push(record.json() as string);
      wake();
    }).ready;
    let resumed = 0;
    client.on("resumed", () => {
      resumed++;
    });
    for (let at = 0; at < 50; at++) await client.publish("t", String(at));
    // Whose session it is: the one whose counters tell of it.
    const owner = gateways[await ownerOf(gateways.map(({ http }) => http))];
    owner?.child.kill("SIGKILL");
    const rest = Array.from({ length: 50 }, (_, at) => client.publish("t", String(50 + at)));
    await Promise.all(rest);
    while (seen.length < 100)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    await client.close();
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => String(at)));
    expect(resumed).toBe(1);
  }, 60_000);
});

await describeOnNats("newest", "weir balance --discover", () => {
  test("finds the nodes of a cluster, leaves out one that drains, and forgets one that has gone", async () => {
    await using server = await startNatsServer();
    const key = "the-proxys-own-key";
    const keys = `--security.apiKeys=proxy:operator:${keyDigest(key)}`;
    const start = (node: string) => serveWeir(["--log", server.url, "--discovery.node", node, keys]);
    await using a = await start("a");
    await using b = await start("b");
    const token = (text: string) => ({ headers: { Authorization: `Bearer ${text}` } });
    const words = ["--discover", "http://127.0.0.1:1", "--discover", a.http, "--discover-interval", "100ms"];
    await using proxy = await balance([], [...words, "--health-interval", "100ms", "--log-level", "error"], key);
    type Row = { readonly node: string; readonly state: string; readonly origin: string };
    const rows = async () =>
      ((await (await fetch(`${proxy.admin}/backends`)).json()) as { items: readonly Row[] }).items;
    const shown = async () => Object.fromEntries((await rows()).map(({ node, state }) => [node, state]));
    await until(async () => Bun.deepEquals(await shown(), { a: "healthy", b: "healthy" }), "both are found");
    expect((await fetch(`${proxy.url.replace("ws", "http")}/ready`)).status).toBe(200);
    const drained = await fetch(`${a.http}/api/v1/nodes/a/drain`, { method: "POST", ...token(key) });
    expect(drained.ok).toBe(true);
    await until(async () => (await shown())["a"] === "draining" || (await shown())["a"] === "unhealthy", "a drains");
    const client = connect(proxy.url);
    await client.publish("t", 1);
    expect(await ownerOf([a.http, b.http])).toBe(1);
    await client.close();
    // Whoever is asked goes: the node that was found tells from now on.
    a.child.kill("SIGKILL");
    await until(async () => (await shown())["b"] === "healthy" && (await shown())["a"] !== "healthy", "b is left");
    expect((await fetch(`${proxy.url.replace("ws", "http")}/health`)).status).toBe(200);
    // When nobody tells, what was found stays: its own checks say that it does not answer.
    b.child.kill("SIGKILL");
    await until(async () => (await shown())["b"] === "unhealthy", "b is seen to be gone");
  }, 60_000);
});

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await holds()) return;
    await Bun.sleep(50);
  }
  throw new Error(`Not in time: ${what}`);
}

async function ownerOf(urls: readonly string[]): Promise<number> {
  const attached = await Promise.all(
    urls.map(async (url) => /^weir_sessions_attached (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]),
  );
  return attached.indexOf("1");
}

describe("weir balance", () => {
  test("lets 200 MB through to a client that reads slowly, and its memory stays flat", async () => {
    const block = Buffer.alloc(1_048_576, 7);
    const blocks = 200;
    await using backend = await agreeing((peer) => {
      for (let at = 0; at < blocks; at++) peer.write(block);
    });
    await using proxy = await balance([`ws://127.0.0.1:${backend.port}`], ["--health", "off"]);
    const client = await dialPeer(Number(new URL(proxy.url).port));
    client.write(upgradeHead());
    let peakBytes = 0;
    let read = 0;
    let reads = 0;
    let startBytes = 0;
    client.socket.on("data", (bytes: Buffer) => {
      read += bytes.byteLength;
      client.take();
      const resident = residentBytes(proxy.child.pid);
      if (startBytes === 0) startBytes = resident;
      peakBytes = Math.max(peakBytes, resident);
      // A little after every eighth read: far slower than the backend writes.
      if (++reads % 8 !== 0) return;
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 1);
    });
    await client.until(() => read >= blocks * block.byteLength, "all has come");
    expect(peakBytes - startBytes).toBeLessThan(48 * 1_048_576);
    client.destroy();
  }, 30_000);

  test("stops in order on SIGTERM: exit code 0", async () => {
    await using backend = await agreeing();
    await using proxy = await balance([`ws://127.0.0.1:${backend.port}`], ["--health", "connect"]);
    const client = await dialPeer(Number(new URL(proxy.url).port));
    client.write(upgradeHead());
    await client.until(() => client.text.includes("\r\n\r\n"), "the upgrade");
    proxy.child.kill("SIGTERM");
    const peer = await backend.peer(1); // the first was the check
    peer.end();
    client.end();
    expect(await proxy.child.exited).toBe(0);
  });

  test("refuses what it does not understand before it starts, and a port that is taken", async () => {
    const unknown = await weir(["balance", "--backend", "ws://127.0.0.1:1", "--timeout", "1s"]);
    expect([unknown.exitCode, unknown.err]).toEqual([2, expect.stringContaining("Unknown option --timeout")]);
    const none = await weir(["balance"]);
    expect([none.exitCode, none.err]).toEqual([2, expect.stringContaining("Name at least one --backend")]);
    await using taken = await agreeing();
    const words = ["--backend", "ws://127.0.0.1:1", "--health", "off", "--listen", `127.0.0.1:${taken.port}`];
    const busy = await weir(["balance", ...words]);
    expect([busy.exitCode, busy.err]).toEqual([1, expect.stringContaining(`Cannot listen on 127.0.0.1:${taken.port}`)]);
    const admin = ["--backend", "ws://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", `127.0.0.1:${taken.port}`];
    expect((await weir(["balance", ...admin])).exitCode).toBe(1);
    const help = await weir(["balance", "--help"]);
    expect(help.out).toContain("--idle-timeout");
    expect(help.out).toContain("5m");
  });
});

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1_024;
}
