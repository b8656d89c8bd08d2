/**
 * What every adapter of byte sockets does; each runs it from its own few-line test.
 * @module
 */
import type { ByteSocket, Dialled, DialOptions, SocketHost } from "../../src/ops/balance/byte-socket.ts";
import { describe, expect, test } from "../support/runner.ts";
import { dialPeer, servePeers, type TcpPeer } from "../support/tcp-peer.ts";

const waitMs = 15_000;
const handshakeMs = 200;
const blockBytes = 65_536;
const blocksMax = 400;

/** One socket of the adapter, and what it told. */
export class SocketEnd {
  readonly socket: ByteSocket;
  readonly told: ("ended" | "drained" | "closed")[] = [];
  bytes = 0;
  #received: Uint8Array[] = [];
  #wake: (() => void)[] = [];

  constructor(socket: ByteSocket) {
    this.socket = socket;
    const tell = (what: (typeof this.told)[number]) => () => {
      this.told.push(what);
      this.#wakeAll();
    };
    socket.handler = {
      data: (bytes) => {
        this.bytes += bytes.byteLength;
        this.#received.push(bytes);
        this.#wakeAll();
      },
      ended: tell("ended"),
      drained: tell("drained"),
      closed: tell("closed"),
    };
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  async until(holds: (end: SocketEnd) => boolean, what: string): Promise<void> {
    const giveUpAt = performance.now() + waitMs;
    while (!holds(this)) {
      const left = giveUpAt - performance.now();
      if (left <= 0) throw new Error(`Not within ${waitMs} ms: ${what}; told ${this.told.join(", ")}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

type Pair = AsyncDisposable & { readonly end: SocketEnd; readonly peer: TcpPeer };
export type SocketTls = { readonly cert: string; readonly key: string };

export function byteSocketContract(name: string, host: SocketHost, tls: SocketTls | undefined): void {
  describe(`byte sockets of ${name}, accepted`, () => flowContract(() => accepted(host)));
  describe(`byte sockets of ${name}, dialled`, () => flowContract(() => dialled(host)));
  describe(`byte sockets of ${name}, dialling`, () => dialContract(host));
  if (tls === undefined) return;
  describe(`byte sockets of ${name}, accepted over TLS`, () => flowContract(() => accepted(host, tls)));
  describe(`byte sockets of ${name}, TLS`, () => tlsContract(host, tls));
}

function flowContract(pair: () => Promise<Pair>): void {
  test("bytes go both ways as they are, and the peer's address is told", async () => {
    await using both = await pair();
    const { end, peer } = both;
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 7) % 251));
    peer.write(bytes);
    await end.until(() => end.bytes === bytes.byteLength, "all has come");
    expect(end.received.equals(bytes)).toBe(true);
    expect(end.socket.write(bytes.subarray(0, 1_000))).toBe(true);
    end.socket.write(bytes.subarray(1_000));
    await peer.until(() => peer.bytesRead === bytes.byteLength, "all has come");
    expect(peer.received.equals(bytes)).toBe(true);
    expect(end.socket.remoteAddress).toBe("127.0.0.1");
  });

  test("ended() tells that the peer sends no more; what is written still reaches it, and end() ends the rest", async () => {
    await using both = await pair();
    const { end, peer } = both;
    peer.write("last words");
    peer.end();
    await end.until(() => end.told.includes("ended"), "it ended");
    expect(end.received.toString()).toBe("last words");
    expect(end.socket.isClosed).toBe(false);
    end.socket.write(Buffer.from("answer"));
    end.socket.end();
    await peer.until(() => peer.ended, "the other end");
    expect(peer.text).toBe("answer");
    await end.until(() => end.told.includes("closed"), "it closed");
    expect(end.told).toEqual(["ended", "closed"]);
    expect(end.socket.isClosed).toBe(true);
  });

  test("end() leaves the other direction open until the peer ends too", async () => {
    await using both = await pair();
    const { end, peer } = both;
    end.socket.write(Buffer.from("question"));
    end.socket.end();
    await peer.until(() => peer.ended, "the end");
    expect(peer.text).toBe("question");
    peer.write("answer");
    await end.until(() => end.bytes === 6, "the answer");
    peer.end();
    await end.until(() => end.told.includes("closed"), "it closed");
    expect(end.received.toString()).toBe("answer");
  });

  test("write() answers false and keeps what the kernel does not take; it goes out in order, then drained() tells", async () => {
    await using both = await pair();
    const { end, peer } = both;
    peer.socket.pause();
    let written = 0;
    let block = 0;
    for (; block < blocksMax; block++) {
      written += blockBytes;
      if (!end.socket.write(Buffer.alloc(blockBytes, block % 251)) && end.socket.bufferedBytes() > 0) break;
    }
    expect(block).toBeLessThan(blocksMax);
    expect(end.socket.write(Buffer.from("the end"))).toBe(false);
    expect(end.socket.bufferedBytes()).toBeGreaterThan(6);
    expect(end.told).toEqual([]);
    peer.socket.resume();
    await end.until(() => end.told.includes("drained"), "it drained");
    expect(end.socket.bufferedBytes()).toBe(0);
    await peer.until(() => peer.bytesRead === written + 7, "all has come");
    const { received } = peer;
    for (let at = 0; at <= block; at++) expect(received[at * blockBytes]).toBe(at % 251);
    expect(received.subarray(written).toString()).toBe("the end");
  });

  test("end() goes out after what is kept", async () => {
    await using both = await pair();
    const { end, peer } = both;
    peer.socket.pause();
    let written = 0;
    do written += blockBytes;
    while (end.socket.write(Buffer.alloc(blockBytes)) || end.socket.bufferedBytes() === 0);
    end.socket.end();
    peer.socket.resume();
    await peer.until(() => peer.ended, "the end");
    expect(peer.bytesRead).toBe(written);
  });

  test("pause() stops data and resume() goes on, nothing is lost, and the peer is held back meanwhile", async () => {
    await using both = await pair();
    const { end, peer } = both;
    end.socket.pause();
    end.socket.pause();
    let written = 0;
    do written += blockBytes;
    while (
      (peer.socket.write(Buffer.alloc(blockBytes)) || written < 100 * blockBytes) &&
      written < blocksMax * blockBytes
    );
    expect(peer.socket.writableLength).toBeGreaterThan(0);
    const before = end.bytes;
    expect(before).toBeLessThan(written / 2);
    end.socket.resume();
    await end.until(() => end.bytes === written, "all has come");
  });

  test("destroy() ends both ways, closed() is told once, and whatever is called after that does nothing", async () => {
    await using both = await pair();
    const { end, peer } = both;
    end.socket.destroy();
    await peer.until(() => peer.closed || peer.ended, "it is gone");
    await end.until(() => end.told.includes("closed"), "it closed");
    end.socket.write(Buffer.from("late"));
    for (const late of ["end", "close", "destroy", "pause", "resume"] as const) end.socket[late]();
    expect(end.told).toEqual(["closed"]);
    expect(end.socket.bufferedBytes()).toBe(0);
  });

  test("close() after end() lets the peer have what the kernel has taken", async () => {
    await using both = await pair();
    const { end, peer } = both;
    peer.socket.pause();
    end.socket.write(Buffer.alloc(blockBytes));
    await end.until(() => end.socket.bufferedBytes() === 0, "the kernel has it");
    end.socket.end();
    end.socket.close();
    await end.until(() => end.told.includes("closed"), "it closed");
    peer.socket.resume();
    await peer.until(() => peer.ended || peer.closed, "the end");
    expect(peer.bytesRead).toBe(blockBytes);
  });

  test("a peer that resets is told as closed(), at the latest when something is written to it", async () => {
    await using both = await pair();
    const { end, peer } = both;
    // Over TLS Node cannot reset.
    if ("encrypted" in peer.socket) peer.socket.destroy();
    else peer.socket.resetAndDestroy();
    await end.until(() => end.told.length > 0, "its end");
    end.socket.write(Buffer.from("late"));
    end.socket.end();
    await end.until(() => end.told.includes("closed"), "it closed");
    expect(end.told.filter((what) => what === "closed")).toHaveLength(1);
  });
}

function dialContract(host: SocketHost): void {
  test("dial() where nobody listens answers refused", async () => {
    const port = await closedPort();
    expect(await dial(host, { hostname: "127.0.0.1", port, timeoutMs: waitMs })).toMatchObject({ cause: "refused" });
  });

  test("dial() of a name that there is not answers unreachable", async () => {
    const options = { hostname: "nobody.invalid", port: 80, timeoutMs: waitMs };
    expect(await dial(host, options)).toMatchObject({ ok: false, cause: "unreachable" });
  });

  test("dial() over TLS of one that says nothing answers timeout", async () => {
    await using silent = await servePeers();
    const options = { hostname: "127.0.0.1", port: silent.port, timeoutMs: handshakeMs, tls: { ca: undefined } };
    expect(await dial(host, options)).toMatchObject({ ok: false, cause: "timeout" });
  });
}

function tlsContract(host: SocketHost, tls: SocketTls): void {
  test("dial() trusts a certificate of its ca and of that host alone", async () => {
    const listener = await host.listen({ ...anywhere, tls }, (socket) => void new SocketEnd(socket));
    const at = { hostname: "127.0.0.1", port: listener.port, timeoutMs: waitMs };
    expect(await dial(host, { ...at, tls: { ca: tls.cert } })).toEqual({ ok: true });
    expect(await dial(host, { ...at, tls: { ca: undefined } })).toMatchObject({ ok: false, cause: "untrusted" });
    const named = { ...at, hostname: "localhost", tls: { ca: tls.cert } };
    expect(await dial(host, named)).toMatchObject({ ok: false, cause: "untrusted" });
    listener.stop();
  });

  test("listen() ends a connection whose TLS handshake takes too long or fails, and one beyond handshakesMax", async () => {
    let accepted = 0;
    const listener = await host.listen({ ...anywhere, handshakeMs, handshakesMax: 1, tls }, () => void accepted++);
    const silent = await dialPeer(listener.port);
    const beyond = await dialPeer(listener.port);
    await beyond.until(() => beyond.closed || beyond.ended, "the second is ended");
    expect(silent.closed || silent.ended).toBe(false);
    await silent.until(() => silent.closed || silent.ended, "the silent one is ended");
    const plain = await dialPeer(listener.port);
    plain.write("GET / HTTP/1.1\r\n\r\n");
    await plain.until(() => plain.closed || plain.ended, "what is no TLS is ended");
    for (const peer of [silent, beyond, plain]) peer.destroy();
    expect(accepted).toBe(0);
    const good = await dialPeer(listener.port, { ca: tls.cert });
    good.destroy();
    listener.stop();
  });
}

const anywhere = { hostname: "127.0.0.1", port: 0, handshakeMs: waitMs, handshakesMax: 100 };

async function accepted(host: SocketHost, tls?: SocketTls): Promise<Pair> {
  let came: (end: SocketEnd) => void = () => undefined;
  const coming = new Promise<SocketEnd>((resolve) => {
    came = resolve;
  });
  const listener = await host.listen({ ...anywhere, ...(tls === undefined ? {} : { tls }) }, (socket) =>
    came(new SocketEnd(socket)),
  );
  const peer = await dialPeer(listener.port, tls === undefined ? undefined : { ca: tls.cert });
  const end = await coming;
  return {
    end,
    peer,
    [Symbol.asyncDispose]: async () => {
      peer.destroy();
      end.socket.destroy();
      listener.stop();
    },
  };
}

async function dialled(host: SocketHost): Promise<Pair> {
  const server = await servePeers();
  let end: SocketEnd | undefined;
  await host.dial({ hostname: "127.0.0.1", port: server.port, timeoutMs: waitMs }, (socket) => {
    end = new SocketEnd(socket);
  });
  if (end === undefined) throw new Error("The socket was not handed over");
  const made = end;
  const peer = await server.peer(0);
  return {
    end: made,
    peer,
    [Symbol.asyncDispose]: async () => {
      made.socket.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** What came of it; a socket that came is ended. */
async function dial(host: SocketHost, options: DialOptions): Promise<Dialled> {
  return await host.dial(options, (socket) => new SocketEnd(socket).socket.destroy());
}

async function closedPort(): Promise<number> {
  const server = await servePeers();
  await server[Symbol.asyncDispose]();
  return server.port;
}
