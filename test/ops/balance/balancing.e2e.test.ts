/**
 * Which backend a client gets: spread, stickiness, failover, health, ejection, draining, stopping; and what operators see of it.
 */
import { describe, expect, test } from "bun:test";
import { type PeerServer, servePeers } from "../../support/tcp-peer.ts";
import { agreed, agreeing, answering, joined, ProxyStage, upgradeHead } from "./stage.ts";

/** A backend that says its name to every request. */
const named = (name: string): Promise<PeerServer> =>
  answering(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);

async function pair() {
  const stack = new AsyncDisposableStack();
  const [a, b] = [stack.use(await named("a")), stack.use(await named("b"))];
  return { a, b, ports: [a.port, b.port], [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function ask(stage: ProxyStage, headers: Record<string, string> = {}, path = "/") {
  const response = await fetch(`${stage.http}${path}`, { headers: { ...headers, Connection: "close" } });
  return { name: await response.text(), status: response.status, cookie: response.headers.get("set-cookie") };
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await holds()) return;
    await Bun.sleep(10);
  }
  throw new Error(`Not in time: ${what}`);
}

type Row = { readonly id: string; readonly state: string; readonly connections: number };
const rows = async (stage: ProxyStage): Promise<readonly Row[]> =>
  ((await (await fetch(`${stage.admin}/backends`)).json()) as { items: readonly Row[] }).items;

describe("stickiness", () => {
  test("none: round robin takes turns", async () => {
    await using backends = await pair();
    await using stage = await ProxyStage.open(backends.ports, ["--algorithm", "roundRobin"]);
    const names = [];
    for (let at = 0; at < 4; at++) names.push((await ask(stage)).name);
    expect(new Set(names.slice(0, 2))).toEqual(new Set(["a", "b"]));
    expect(names.slice(2)).toEqual(names.slice(0, 2));
  });

  test("cookie: whoever brings it stays, and when its backend has gone gets another and its cookie", async () => {
    await using backends = await pair();
    await using stage = await ProxyStage.open(backends.ports, ["--sticky", "cookie", "--algorithm", "roundRobin"]);
    const first = await ask(stage);
    expect(first.cookie).toMatch(/^weir_backend=[\w-]{16}; Path=\/; HttpOnly; SameSite=Lax$/);
    const cookie = (first.cookie ?? "").split(";")[0] as string;
    for (let at = 0; at < 4; at++)
      expect(await ask(stage, { Cookie: `other=1; ${cookie}` })).toEqual({
        name: first.name,
        status: 200,
        cookie: null,
      });
    await (first.name === "a" ? backends.a : backends.b)[Symbol.asyncDispose]();
    const moved = await ask(stage, { Cookie: cookie });
    expect([moved.name !== first.name, moved.status]).toEqual([true, 200]);
    expect(moved.cookie).toStartWith("weir_backend=");
    expect((await ask(stage, { Cookie: "weir_backend=made-up" })).cookie).toStartWith("weir_backend=");
  });

  test("cookie: an upgrade is given it with the backend's 101", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port], ["--sticky", "cookie"]);
    const client = await stage.dial();
    client.write(upgradeHead());
    await client.until(() => client.text.includes("\r\n\r\n"), "the answer");
    expect(client.text).toStartWith("HTTP/1.1 101 Switching Protocols\r\n");
    expect(client.text).toContain("\r\nSet-Cookie: weir_backend=");
  });

  for (const [sticky, request] of [
    ["header:X-User", (key: string) => ({ headers: { "X-User": key }, path: "/" })],
    ["query:user", (key: string) => ({ headers: {}, path: `/x?a=1&user=${key}` })],
  ] as const) {
    test(`${sticky}: a key goes to the same backend also through another proxy, keys spread over both`, async () => {
      await using backends = await pair();
      await using one = await ProxyStage.open(backends.ports, ["--sticky", sticky]);
      await using two = await ProxyStage.open(backends.ports.toReversed(), ["--sticky", sticky]);
      const names = new Map<string, string>();
      for (let key = 0; key < 20; key++) {
        const { headers, path } = request(`user ${key}`.replace(" ", "-"));
        const { name } = await ask(one, headers, path);
        names.set(String(key), name);
        for (const stage of [one, two]) expect((await ask(stage, headers, path)).name).toBe(name);
      }
      expect(new Set(names.values())).toEqual(new Set(["a", "b"]));
    });
  }

  test("ip: clients of one address go to one backend, by X-Forwarded-For where the proxy before is trusted", async () => {
    await using backends = await pair();
    await using stage = await ProxyStage.open(backends.ports, ["--sticky", "ip", "--trust-proxy", "127.0.0.1"]);
    const names = new Set<string>();
    for (let at = 0; at < 20; at++) {
      const from = { "X-Forwarded-For": `203.0.113.${at}` };
      const { name } = await ask(stage, from);
      names.add(name);
      expect((await ask(stage, from)).name).toBe(name);
    }
    expect(names).toEqual(new Set(["a", "b"]));
  });
});

describe("failover", () => {
  test("a backend that refuses is passed over for the next, and left out after some failures", async () => {
    await using good = await named("good");
    const gone = await named("gone");
    await gone[Symbol.asyncDispose]();
    const words = ["--algorithm", "roundRobin", "--eject-after", "2"];
    await using stage = await ProxyStage.open([gone.port, good.port], words);
    for (let at = 0; at < 8; at++) expect((await ask(stage)).name).toBe("good");
    expect(stage.server.metrics.retries).toBe(2);
    expect(stage.logged("backend ejected")[0]).toMatchObject({
      backend: `127.0.0.1:${gone.port}`,
      cause: "backendRefused",
    });
    expect((await rows(stage)).map(({ state }) => state)).toEqual(["ejected", "unknown"]);
    const { items } = (await (await fetch(`${stage.admin}/decisions`)).json()) as { items: { why: string }[] };
    // In turns, until it was out.
    expect(items).toHaveLength(10);
    expect([items.at(-1)?.why, items[0]?.why]).toEqual([
      expect.stringMatching(/^roundRobin: .* of 2 in turn$/),
      `only: 127.0.0.1:${good.port} is the only one there`,
    ]);
  });

  test("an upgrade that one backend answers 503, and one that another never answers, is taken by the third", async () => {
    await using full = await answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    await using silent = await servePeers();
    await using good = await agreeing();
    const words = ["--algorithm", "roundRobin", "--answer-timeout", "200ms"];
    await using stage = await ProxyStage.open([full.port, silent.port, good.port], words);
    for (let at = 0; at < 3; at++) {
      const client = await stage.dial();
      client.write(upgradeHead());
      await client.until(() => client.text.includes("\r\n\r\n"), "the answer");
      expect(client.text).toBe(agreed);
      client.destroy();
    }
    expect(stage.server.backends.all().map(({ failures }) => failures > 0)).toEqual([true, true, false]);
  });

  test("an upgrade that a backend refuses for good reaches the client as that", async () => {
    await using backend = await answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nX-Why: origin\r\n\r\nno way");
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    client.write(upgradeHead());
    const { status, head, body } = await client.answer();
    expect([status, body]).toEqual([403, "no way"]);
    expect(head).toContain("X-Why: origin\r\n");
    await client.until(() => client.ended, "the end");
  });

  test("when none takes it the client is told which way it failed: 502, 504, 503", async () => {
    const gone = await named("gone");
    await gone[Symbol.asyncDispose]();
    await using silent = await servePeers();
    await using rude = await servePeers((peer) => peer.socket.on("data", () => peer.destroy()));
    await using strange = await answering("SSH-2.0-OpenSSH\r\n\r\n");
    for (const [port, status, cause] of [
      [gone.port, 502, "backendRefused"],
      [silent.port, 504, "backendTimeout"],
      [rude.port, 502, "backendClosed"],
      [strange.port, 502, "backendInvalid"],
    ] as const) {
      await using stage = await ProxyStage.open([port], ["--answer-timeout", "200ms"]);
      for (const words of [upgradeHead(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"]) {
        const client = await stage.dial();
        client.write(words);
        const answer = await client.answer();
        expect([answer.status, JSON.parse(answer.body)]).toEqual([
          status,
          expect.objectContaining({ cause, attempts: 1 }),
        ]);
        expect(answer.body).not.toContain(String(port));
      }
    }
  });

  test("a backup is used when no other backend is left, and not before", async () => {
    await using main = await named("main");
    await using backup = await named("backup");
    const words = ["--health", "connect", "--health-interval", "50ms", "--fall", "1", "--rise", "1"];
    await using stage = await ProxyStage.open([main.port, `ws://127.0.0.1:${backup.port},backup`], words);
    for (let at = 0; at < 5; at++) expect((await ask(stage)).name).toBe("main");
    await main[Symbol.asyncDispose]();
    await until(async () => (await rows(stage))[0]?.state === "unhealthy", "it is seen to be gone");
    expect((await ask(stage)).name).toBe("backup");
  });
});

describe("checks of health", () => {
  test("http: one that answers 503 gets nothing new until it answers 200 again", async () => {
    let status = 503;
    const ready = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0 },
      fetch: ({ url }) => new Response("b", { status: new URL(url).pathname === "/ready" ? status : 200 }),
    });
    await using a = await named("a");
    const words = ["--health", "http", "--health-interval", "40ms", "--rise", "2", "--fall", "2", "--slow-start", "0s"];
    await using stage = await ProxyStage.open([a.port, ready.port as number], [...words, "--algorithm", "roundRobin"]);
    for (let at = 0; at < 4; at++) expect((await ask(stage)).name).toBe("a");
    expect(stage.logged("backend unhealthy")[0]).toMatchObject({ detail: "/ready answered 503" });
    status = 200;
    await until(async () => (await rows(stage))[1]?.state === "healthy", "it is seen to be back");
    const names = [];
    for (let at = 0; at < 4; at++) names.push((await ask(stage)).name);
    expect(new Set(names)).toEqual(new Set(["a", "b"]));
    await ready.stop(true);
  });

  test("none left: 503 noBackend, and /ready of the proxy says so", async () => {
    const gone = await named("gone");
    await gone[Symbol.asyncDispose]();
    await using stage = await ProxyStage.open([gone.port], ["--health", "connect"]);
    const client = await stage.dial();
    client.write(upgradeHead());
    const { status, body } = await client.answer();
    expect([status, JSON.parse(body).cause]).toEqual([503, "noBackend"]);
    expect((await fetch(`${stage.admin}/ready`)).status).toBe(503);
  });
});

describe("draining", () => {
  test("a drained backend keeps its tunnels and gets no new ones, until it is resumed", async () => {
    await using a = await agreeing();
    await using b = await agreeing();
    await using stage = await ProxyStage.open([a.port, b.port], ["--algorithm", "leastConnections"]);
    const before = [await stage.dial(), await stage.dial()];
    for (const client of before) {
      client.write(upgradeHead());
      await client.until(() => client.text.includes("\r\n\r\n"), "the upgrade");
    }
    expect([a.peers.length, b.peers.length]).toEqual([1, 1]);
    const post = (what: string, init: RequestInit = {}) =>
      fetch(`${stage.admin}/backends/127.0.0.1:${a.port}/${what}`, { method: "POST", ...init });
    expect(await (await post("drain")).json()).toMatchObject({ state: "draining", connections: 1 });
    for (let at = 0; at < 3; at++) {
      const client = await stage.dial();
      client.write(upgradeHead());
      await client.until(() => client.text.includes("\r\n\r\n"), "the upgrade");
    }
    expect([a.peers.length, b.peers.length]).toEqual([1, 4]);
    const kept = await a.peer(0);
    kept.take();
    for (const client of before) client.write("still here");
    await kept.until(() => kept.text === "still here", "its tunnel");
    await post("resume");
    const client = await stage.dial();
    client.write(upgradeHead());
    await a.peer(1);
    expect((await post("drain", { headers: { Origin: "https://evil.example" } })).status).toBe(403);
    for (const nobody of ["nobody", "%zz"])
      expect((await fetch(`${stage.admin}/backends/${nobody}/drain`, { method: "POST" })).status).toBe(404);
  });

  test("stop() refuses new connections at once, lets what is under way end, and ends the rest after its time", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port], ["--stop-timeout", "400ms"]);
    const leaving = await joined(stage, backend);
    const staying = await joined(stage, backend, 1);
    const idle = await stage.dial();
    await until(() => stage.server.metrics.connections === 3, "all are there");
    const stopped = stage.stop();
    await expect(stage.dial()).rejects.toThrow();
    leaving.peer.write("the last");
    await leaving.client.until(() => leaving.client.text === "the last", "what was under way");
    leaving.client.end();
    leaving.peer.end();
    expect(staying.client.closed).toBe(false);
    await stopped;
    await staying.client.until(() => staying.client.closed || staying.client.ended, "the end of the rest");
    await idle.until(() => idle.closed || idle.ended, "the end of one that had asked nothing");
    expect(stage.server.metrics.tunnelEnds).toEqual(
      new Map([
        ["closed", 1],
        ["stopped", 1],
      ]),
    );
  });
});

test("the admin port tells metrics of connections, backends and refusals, and what it does not know", async () => {
  await using backend = await named("a");
  await using stage = await ProxyStage.open([backend.port]);
  await ask(stage);
  const client = await stage.dial();
  client.write("nonsense\r\n\r\n");
  await client.answer();
  const text = await (await fetch(`${stage.admin}/metrics`)).text();
  expect(text).toContain("weir_balance_requests_total 1\n");
  expect(text).toContain('weir_balance_refused_total{cause="badRequest"} 1\n');
  expect(text).toContain(`weir_balance_backend_up{backend="127.0.0.1:${backend.port}"} 1\n`);
  expect((await fetch(`${stage.admin}/health`)).status).toBe(200);
  expect((await fetch(`${stage.admin}/nothing`)).status).toBe(404);
  expect((await fetch(`${stage.admin}/backends`, { method: "POST" })).status).toBe(405);
});
