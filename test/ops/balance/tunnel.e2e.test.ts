/**
 * Upgraded connections through the proxy: the bytes that go in come out, neither end can make the proxy hold more than a
 * bound, and an end of one direction leaves the other alone.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { balanceLimits } from "../../../src/ops/balance/balance-limits.ts";
import { hasOpenssl, selfSigned } from "../../support/self-signed.ts";
import { servePeers, type TcpPeer } from "../../support/tcp-peer.ts";
import { agreed, agreeing, joined, ProxyStage, upgradeHead } from "./stage.ts";

const mebibyte = 1_048_576;

/** Bytes that no compression or copy could fake, the same for the same seed. */
function noise(bytes: number, seed: number): Buffer {
  const out = Buffer.alloc(bytes);
  let x = seed || 1;
  for (let at = 0; at < bytes; at++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    out[at] = x & 0xff;
  }
  return out;
}
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Unmasked frame; the proxy does not look into it. */
function frame(first: number, payload: Uint8Array): Buffer {
  const { byteLength } = payload;
  const head = Buffer.alloc(byteLength < 126 ? 2 : byteLength < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = head.length === 2 ? byteLength : head.length === 4 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(byteLength, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(byteLength), 2);
  return Buffer.concat([head, payload]);
}

describe("a tunnel", () => {
  test("is opened with the client's own words, and what only a proxy knows", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    client.write(
      upgradeHead("/weir?x=1", [
        "Sec-WebSocket-Protocol: weir.v1.json, other",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Origin: https://app.example",
        "X-Forwarded-For: 203.0.113.9",
        "Connection: X-Secret",
        "X-Secret: for the proxy alone",
      ]),
    );
    const peer = await backend.peer(0);
    await peer.until(() => peer.text.includes("\r\n\r\n"), "the upgrade");
    const lines = peer.text.split("\r\n");
    expect(lines[0]).toBe("GET /weir?x=1 HTTP/1.1");
    expect(lines).toEqual(
      expect.arrayContaining([
        "Host: gateway.example",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: weir.v1.json, other",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Origin: https://app.example",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: gateway.example",
        "Forwarded: for=127.0.0.1;host=gateway.example;proto=http",
      ]),
    );
    expect(peer.text).not.toContain("203.0.113.9");
    expect(peer.text).not.toContain("Secret");
    await client.until(() => client.text.includes("\r\n\r\n"), "the answer");
    expect(client.text).toBe(agreed);
  });

  test("passes large, fragmented, control and meaningless frames both ways byte for byte", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port]);
    const { client, peer } = await joined(stage, backend);
    const all = [
      frame(0x82, noise(3 * mebibyte, 1)),
      ...[0x02, 0x00, 0x00, 0x80].map((first, at) => frame(first, noise(70_000, 2 + at))),
      frame(0x89, noise(125, 7)),
      frame(0x8a, new Uint8Array(0)),
      frame(0xff, noise(126, 8)),
      noise(mebibyte, 9),
      frame(0x88, Buffer.from([0x03, 0xe8])),
    ];
    const bytes = Buffer.concat(all);
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      for (const part of all) from.write(part);
      await to.until(() => to.received.byteLength === bytes.byteLength, "all has come");
      expect(digest(to.take())).toBe(digest(bytes));
    }
    const { toBackend, toClient } = stage.server.metrics.bytes;
    expect([toBackend, toClient]).toEqual([bytes.byteLength, bytes.byteLength]);
  });

  test("passes what was sent one byte at a time, and what came with the head", async () => {
    await using backend = await servePeers(async (peer) => {
      await peer.until(() => peer.text.includes("\r\n\r\n"), "a head");
      peer.write(`${agreed}first from the backend`);
    });
    await using stage = await ProxyStage.open([backend.port]);
    const client = await stage.dial();
    client.socket.setNoDelay(true);
    for (const char of upgradeHead()) client.write(char);
    client.write("early from the client");
    const peer = await backend.peer(0);
    await peer.until(() => peer.text.endsWith("early from the client"), "the early bytes");
    await client.until(() => client.text.endsWith("first from the backend"), "the backend's");
    // Not one byte of the client's before the backend had agreed.
    expect(peer.text.split("\r\n\r\n")).toHaveLength(2);
  });
});

describe("backpressure", () => {
  for (const direction of ["to a stalled client", "to a stalled backend"] as const) {
    test(`${direction}: of 64 MB that are offered the proxy holds a bound, and all arrive once it reads`, async () => {
      await using backend = await agreeing();
      await using stage = await ProxyStage.open([backend.port]);
      const { client, peer } = await joined(stage, backend);
      const [sender, stalled] = direction === "to a stalled client" ? [peer, client] : [client, peer];
      stalled.socket.pause();
      const offered = await offer(sender, 64 * mebibyte, () => [...stage.server.tunnels][0]?.heldBytes ?? 0);
      // Sender's and receiver's kernel buffers hold some megabytes; the rest has stayed with the sender.
      const { toBackend, toClient } = stage.server.metrics.bytes;
      const passed = toBackend + toClient;
      expect(passed).toBeLessThan(32 * mebibyte);
      const [tunnel] = stage.server.tunnels;
      expect(tunnel?.heldBytes).toBeGreaterThan(0);
      expect(tunnel?.heldBytes).toBeLessThanOrEqual(balanceLimits.heldBytesMax);
      const hash = createHash("sha256");
      let arrived = 0;
      stalled.socket.on("data", (bytes: Buffer) => {
        hash.update(bytes);
        arrived += bytes.byteLength;
        stalled.take();
      });
      stalled.socket.resume();
      await stalled.until(() => arrived === offered.bytes, "all that was offered");
      expect(hash.digest("hex")).toBe(offered.digest);
    }, 60_000);
  }
});

/** Writes as a program does that does not wait for anybody: its own process holds what does not go out. */
async function offer(sender: TcpPeer, bytes: number, held: () => number) {
  const hash = createHash("sha256");
  const block = noise(mebibyte, 5);
  for (let at = 0; at < bytes / mebibyte; at++) {
    block.writeUInt32BE(at);
    const copy = Buffer.from(block);
    hash.update(copy);
    sender.write(copy);
  }
  // The proxy has read all that it will when it holds something and nothing moves any more.
  await until(() => held() > 0, "the proxy holds something");
  for (let before = -1; before !== sender.socket.writableLength; await Bun.sleep(250))
    before = sender.socket.writableLength;
  return { bytes, digest: hash.digest("hex") };
}

describe("the end of a tunnel", () => {
  test("half of it: the client's FIN reaches the backend, whose answer still reaches the client", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port]);
    const { client, peer } = await joined(stage, backend);
    client.write("goodbye");
    client.end();
    await peer.until(() => peer.ended, "the FIN");
    expect(peer.text).toBe("goodbye");
    expect(client.ended).toBe(false);
    peer.write("and thanks");
    peer.end();
    await client.until(() => client.ended, "the backend's FIN");
    expect(client.text).toBe("and thanks");
    await until(() => stage.server.metrics.tunnels === 0, "the tunnel is over");
  });

  test("a client that is reset ends its backend's connection, with what it had sent before", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port]);
    const { client, peer } = await joined(stage, backend);
    client.write("last words");
    await peer.until(() => peer.text === "last words", "the words");
    client.socket.resetAndDestroy();
    await peer.until(() => peer.ended || peer.closed, "the end");
    peer.end();
    await until(() => stage.server.metrics.connections === 0, "the connection is over");
  });

  test("a backend that dies ends its client, after what it had sent", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port]);
    const { client, peer } = await joined(stage, backend);
    peer.write("x".repeat(300_000));
    peer.socket.end();
    await client.until(() => client.ended, "the end");
    expect(client.bytesRead).toBeGreaterThanOrEqual(300_000);
    client.end();
    await until(() => stage.server.metrics.tunnels === 0, "the tunnel is over");
  });

  test("a silent one is ended after the idle time, one through which something goes is not", async () => {
    await using backend = await agreeing();
    await using stage = await ProxyStage.open([backend.port], ["--idle-timeout", "300ms"]);
    const silent = await joined(stage, backend);
    const busy = await joined(stage, backend, 1);
    const timer = setInterval(() => busy.peer.write("."), 50);
    try {
      await silent.client.until((peer) => peer.closed || peer.ended, "the silent one's end");
      expect(busy.client.closed || busy.client.ended).toBe(false);
    } finally {
      clearInterval(timer);
    }
    expect(stage.server.metrics.tunnelEnds.get("idle")).toBe(1);
  });
});

describe.skipIf(!hasOpenssl)("TLS", () => {
  test("a tunnel from a client over TLS to a backend over TLS is the same bytes, and says https", async () => {
    const tls = selfSigned();
    using folder = written(tls);
    const seen: string[] = [];
    using backend = Bun.listen({
      ...{ hostname: "127.0.0.1", port: 0, tls },
      socket: {
        data: (socket, bytes) => {
          seen.push(bytes.toString("latin1"));
          socket.write(seen.length === 1 ? agreed : bytes);
        },
      },
    });
    const files = ["--tls-cert", folder.cert, "--tls-key", folder.key, "--backend-ca", folder.cert];
    await using stage = await ProxyStage.open([`wss://127.0.0.1:${backend.port}`], files);
    const client = await stage.dial({ ca: tls.cert });
    client.write(upgradeHead());
    await client.until(() => client.text.endsWith("\r\n\r\n"), "the upgrade");
    expect(client.take().toString()).toBe(agreed);
    expect(seen[0]).toContain("X-Forwarded-Proto: https\r\n");
    client.write(noise(20_000, 3));
    await client.until(() => client.received.byteLength === 20_000, "the echo");
    expect(digest(client.take())).toBe(digest(noise(20_000, 3)));
    client.destroy();
  });

  test("a backend whose certificate nobody signed is not used: 502 backendUntrusted", async () => {
    const tls = selfSigned();
    using backend = Bun.listen({ hostname: "127.0.0.1", port: 0, tls, socket: { data: () => undefined } });
    await using stage = await ProxyStage.open([`wss://127.0.0.1:${backend.port}`]);
    const client = await stage.dial();
    client.write(upgradeHead());
    const { status, body } = await client.answer();
    expect([status, JSON.parse(body).cause]).toEqual([502, "backendUntrusted"]);
  });
});

function written(tls: { readonly cert: string; readonly key: string }) {
  const folder = mkdtempSync(join(tmpdir(), "weir-balance-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(cert, tls.cert);
  writeFileSync(key, tls.key);
  return { cert, key, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1_500 && !holds(); tries++) await Bun.sleep(10);
  if (!holds()) throw new Error(`Not in time: ${what}`);
}
