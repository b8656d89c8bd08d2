/**
 * HTTP requests through the proxy: bodies stream both ways, connections to backends serve many requests, and what two
 * programs could read in two ways goes no further.
 */
import { describe, expect, test } from "bun:test";
import { servePeers } from "../../support/tcp-peer.ts";
import { answering, ProxyStage, upgradeHead } from "./stage.ts";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const get = (path = "/", lines: readonly string[] = []): string =>
  [`GET ${path} HTTP/1.1`, "Host: gateway.example", ...lines, "\r\n"].join("\r\n");

/** A real HTTP server that says what it was asked. */
function echoServer() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/none") return new Response(null, { status: 204 });
      if (pathname === "/stream") return new Response(request.body);
      const body = await request.text();
      const headers = Object.fromEntries(request.headers);
      return Response.json({ method: request.method, pathname, body, headers }, { status: 201 });
    },
  });
}

describe("a request", () => {
  test("of every kind is answered as the backend would, with the client's address", async () => {
    using backend = echoServer();
    await using stage = await ProxyStage.open([backend.port as number]);
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const body = method === "GET" ? null : `body of ${method}`;
      const response = await fetch(`${stage.http}/path`, { method, body });
      const told = (await response.json()) as { method: string; body: string; headers: Record<string, string> };
      expect([response.status, told.method, told.body]).toEqual([201, method, body ?? ""]);
      expect(told.headers["x-forwarded-for"]).toBe("127.0.0.1");
    }
    const head = await fetch(`${stage.http}/path`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([201, ""]);
    expect((await fetch(`${stage.http}/none`)).status).toBe(204);
  });

  test("with a body in chunks of 20 MB streams to the backend and back, the same bytes", async () => {
    using backend = echoServer();
    await using stage = await ProxyStage.open([backend.port as number]);
    const block = new Uint8Array(1_048_576).map((_, at) => (at * 31) % 253);
    let left = 20;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(block);
        if (--left === 0) controller.close();
      },
    });
    const response = await fetch(`${stage.http}/stream`, { method: "POST", body });
    const hash = new Bun.CryptoHasher("sha256");
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) hash.update(part);
    const expected = new Bun.CryptoHasher("sha256");
    for (let at = 0; at < 20; at++) expected.update(block);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
  });

  test("after a request takes the same connection to the backend, also from another client", async () => {
    await using backend = await answering(ok);
    await using stage = await ProxyStage.open([backend.port]);
    for (let at = 0; at < 3; at++) {
      const client = await stage.dial();
      for (const path of ["/a", "/b"]) {
        client.write(get(path));
        expect((await client.answer()).body).toBe("ok");
      }
      client.destroy();
    }
    expect([backend.peers.length, stage.server.metrics.reused]).toEqual([1, 5]);
  });

  test("that is sent before the answer to the one before waits its turn: answers come in order", async () => {
    using backend = echoServer();
    await using stage = await ProxyStage.open([backend.port as number]);
    const client = await stage.dial();
    client.write([1, 2, 3].map((at) => get(`/${at}`)).join(""));
    const paths: string[] = [];
    for (let at = 0; at < 3; at++)
      paths.push((JSON.parse((await client.answer()).body) as { pathname: string }).pathname);
    expect(paths).toEqual(["/1", "/2", "/3"]);
  });

  test("on a kept connection that the backend has just closed is sent again on a new one", async () => {
    let connections = 0;
    await using backend = await servePeers(async (peer) => {
      connections++;
      const isFirst = connections === 1;
      for (let requests = 1; ; requests++) {
        await peer.until(() => peer.text.includes("\r\n\r\n") || peer.ended, "a request").catch(() => undefined);
        if (!peer.take().includes("\r\n\r\n")) return;
        if (isFirst && requests === 2) return void peer.socket.destroy(); // without an answer
        peer.write(ok);
      }
    });
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    for (let at = 0; at < 2; at++) {
      client.write(get());
      expect((await client.answer()).status).toBe(200);
    }
    expect([connections, stage.server.backends.all()[0]?.failures]).toEqual([2, 0]);
  });

  test("that changes something is not sent twice: 502 backendClosed", async () => {
    let requests = 0;
    await using backend = await servePeers(async (peer) => {
      for (;;) {
        await peer.until(() => peer.text.endsWith("x") || peer.ended, "a request").catch(() => undefined);
        if (peer.take().byteLength === 0) return;
        requests++;
        if (requests === 2) return void peer.socket.destroy();
        peer.write(ok);
      }
    });
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
    client.write(post);
    expect((await client.answer()).status).toBe(200);
    client.write(post);
    const { status, body } = await client.answer();
    expect([status, (JSON.parse(body) as { cause: string }).cause, requests]).toEqual([502, "backendClosed", 2]);
  });

  test("whose answer breaks off is not answered as if it were whole", async () => {
    await using backend = await servePeers(async (peer) => {
      await peer.until(() => peer.text.includes("\r\n\r\n"), "a request");
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
      peer.end();
    });
    await using stage = await ProxyStage.open([backend.port]);
    await expect(fetch(stage.http).then((response) => response.text())).rejects.toThrow();
  });

  test("whose answer ends with its connection is whole, and the client's connection ends with it", async () => {
    await using backend = await servePeers(async (peer) => {
      await peer.until(() => peer.text.includes("\r\n\r\n"), "a request");
      peer.write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
      peer.end();
    });
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    client.write(get());
    await client.until(() => client.ended, "the end");
    expect(client.text).toMatch(/Connection: close\r\n\r\nuntil the end$/);
  });

  test("of HTTP/1.0, and one that says close, ends its connection", async () => {
    using backend = echoServer();
    await using stage = await ProxyStage.open([backend.port as number]);
    for (const words of ["GET /x HTTP/1.0\r\nHost: gateway.example\r\n\r\n", get("/x", ["Connection: close"])]) {
      const client = await stage.dial();
      client.write(words);
      await client.until(() => client.ended, "the end");
      expect(client.text).toContain("HTTP/1.1 201 Created\r\n");
    }
  });

  test("of a client that takes no answers is not followed by more of its requests than a bound", async () => {
    let asked = 0;
    const body = "x".repeat(100_000);
    await using backend = await servePeers((peer) => {
      peer.socket.on("data", () => {
        for (const _ of peer
          .take()
          .toString("latin1")
          .matchAll(/\r\n\r\n/g)) {
          asked++;
          peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }
      });
    });
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    client.socket.pause();
    client.write(get().repeat(600));
    for (let before = -1; before !== asked; await Bun.sleep(200)) before = asked;
    // 600 answers are 60 MB; the kernel's buffers hold a few.
    expect(asked).toBeLessThan(200);
    client.socket.resume();
    await client.until(() => client.bytesRead > 600 * body.length && asked === 600, "all answers");
  }, 60_000);

  test("with a large body behind several small ones arrives whole: what waits its turn is not read past a bound", async () => {
    using backend = echoServer();
    await using stage = await ProxyStage.open([backend.port as number]);
    const client = await stage.dial();
    const body = "b".repeat(5_000_000);
    const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.write(get("/small").repeat(20) + post);
    for (let at = 0; at < 20; at++) expect((await client.answer()).status).toBe(201);
    const { status, body: echoed } = await client.answer();
    expect([status, (JSON.parse(echoed) as { body: string }).body.length]).toEqual([201, body.length]);
  });

  test("is forwarded with X-Forwarded-* of a trusted proxy, and goes to where its real client belongs", async () => {
    using backend = echoServer();
    await using stage = await ProxyStage.open([backend.port as number], ["--trust-proxy", "127.0.0.0/8"]);
    const forwarded = {
      "X-Forwarded-For": "203.0.113.9, 127.0.0.5",
      "X-Forwarded-Proto": "https",
      Forwarded: "for=_x",
    };
    const response = await fetch(stage.http, { headers: forwarded });
    const { headers } = (await response.json()) as { headers: Record<string, string> };
    expect(headers["x-forwarded-for"]).toBe("203.0.113.9, 127.0.0.5, 127.0.0.1");
    expect(headers["x-forwarded-proto"]).toBe("https");
    expect(headers["forwarded"]).toStartWith("for=_x, for=127.0.0.1;");
    const chosen = stage.logged("backend chosen");
    expect(chosen[0]?.["client"]).toBe("203.0.113.9");
  });
});

describe("what is refused", () => {
  const cases: readonly (readonly [what: string, words: string, status: number, cause: string])[] = [
    ["two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "badRequest"],
    [
      "length and chunks",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
      "badRequest",
    ],
    [
      "an unknown coding",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      501,
      "codingUnknown",
    ],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400, "badRequest"],
    ["a folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400, "badRequest"],
    ["a bare line feed", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, "badRequest"],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400, "badRequest"],
    ["two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "badRequest"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505, "versionUnknown"],
    ["no HTTP at all", "\x16\x03\x01 hello\r\n\r\n", 400, "badRequest"],
    ["CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "badRequest"],
    ["an upgrade with a body", upgradeHead("/", ["Content-Length: 3"]), 400, "badRequest"],
    ["a head too large", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(40_000)}\r\n\r\n`, 431, "headTooLarge"],
    [
      "headers too many",
      get(
        "/",
        Array.from({ length: 101 }, (_, at) => `X-${at}: 1`),
      ),
      431,
      "headTooLarge",
    ],
  ];
  test("is answered with problem details, the connection ends, and the backend hears nothing of it", async () => {
    await using backend = await answering(ok);
    await using stage = await ProxyStage.open([backend.port]);
    for (const [what, words, status, cause] of cases) {
      const client = await stage.dial();
      client.write(words);
      const answer = await client.answer();
      const { cause: told, status: same, detail } = JSON.parse(answer.body) as Record<string, unknown>;
      expect([what, answer.status, told, same]).toEqual([what, status, cause, status]);
      expect(String(detail).length).toBeGreaterThan(10);
      expect(answer.head).toContain("application/problem+json");
      await client.until(() => client.ended || client.closed, `the end after ${what}`);
      client.destroy();
    }
    expect(backend.peers).toEqual([]);
  });

  test("a chunk that is none ends the connection, and the backend's with it", async () => {
    await using backend = await servePeers();
    await using stage = await ProxyStage.open([backend.port], ["--answer-timeout", "300ms"]);
    const client = await stage.dial();
    client.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
    await client.until(() => client.ended || client.closed, "the end");
    const peer = await backend.peer(0);
    await peer.until(() => peer.closed || peer.ended, "the backend's end");
    expect(stage.server.idleBackendConnections).toBe(0);
  });

  test("a head that does not come in time: 408, while others are served", async () => {
    await using backend = await answering(ok);
    await using stage = await ProxyStage.open([backend.port], ["--head-timeout", "300ms"]);
    const slow = await stage.dial();
    const dripping = setInterval(() => slow.write("X"), 20);
    slow.write("GET / HTTP/1.1\r\nHost: x\r\n");
    const other = await stage.dial();
    other.write(get());
    expect((await other.answer()).status).toBe(200);
    const silent = await stage.dial();
    const answers = [await slow.answer(), await silent.answer()];
    clearInterval(dripping);
    expect(answers.map(({ status, body }) => [status, JSON.parse(body).cause])).toEqual([
      [408, "requestTimeout"],
      [408, "requestTimeout"],
    ]);
  });

  test("one connection too many: 503, until another one ends", async () => {
    await using backend = await answering(ok);
    await using stage = await ProxyStage.open([backend.port], ["--connections-max", "2"]);
    const [first, second] = [await stage.dial(), await stage.dial()];
    for (const client of [first, second]) {
      client.write(get());
      expect((await client.answer()).status).toBe(200);
    }
    const third = await stage.dial();
    const { status, head, body } = await third.answer();
    expect([status, JSON.parse(body).cause]).toEqual([503, "tooManyConnections"]);
    expect(head).toContain("Retry-After: 1\r\n");
    first.destroy();
    third.destroy();
    for (let tries = 0; tries < 100 && stage.server.metrics.connections > 1; tries++) await Bun.sleep(10);
    const fourth = await stage.dial();
    fourth.write(get());
    expect((await fourth.answer()).status).toBe(200);
  });

  test("a request that has been here before: 508", async () => {
    await using backend = await servePeers((peer) => {
      peer.socket.on("data", () => undefined);
    });
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    client.write(get());
    const peer = await backend.peer(0);
    await peer.until(() => peer.text.includes("\r\n\r\n"), "the request");
    const via = /^Via: (.*)\r$/m.exec(peer.text)?.[1] ?? "";
    const again = await stage.dial();
    again.write(get("/", [`Via: 1.1 elsewhere, ${via}`]));
    expect((await again.answer()).status).toBe(508);
  });
});
