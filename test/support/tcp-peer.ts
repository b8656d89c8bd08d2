/**
 * A bare TCP peer for tests: it says exactly the bytes it is told to, stops reading when asked, and waits for what comes.
 * @module
 */
import { connect, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Of one wait; a test that waits longer has failed. */
const waitMs = 40_000;

export class TcpPeer {
  readonly socket: Socket;
  /** It sends no more. */
  ended = false;
  closed = false;
  bytesRead = 0;
  #received: Buffer[] = [];
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    const told = (note: () => void) => () => {
      note();
      this.#wakeAll();
    };
    socket.on("data", (bytes: Buffer) => {
      this.bytesRead += bytes.byteLength;
      this.#received.push(bytes);
      this.#wakeAll();
    });
    socket.on("error", () => undefined); // `close` follows, which is what tests wait for.
    socket.on(
      "end",
      told(() => {
        this.ended = true;
      }),
    );
    socket.on(
      "close",
      told(() => {
        this.closed = true;
      }),
    );
  }

  /** All that came and was not taken. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }
  get text(): string {
    return this.received.toString("latin1");
  }
  take(): Buffer {
    const { received } = this;
    this.#received = [];
    return received;
  }
  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }
  end(): void {
    this.socket.end();
  }
  destroy(): void {
    this.socket.destroy();
  }

  /** Until `holds`, which is asked whenever something came or ended. */
  async until(holds: (peer: TcpPeer) => boolean, what: string): Promise<void> {
    const giveUpAt = performance.now() + waitMs;
    while (!holds(this)) {
      const left = giveUpAt - performance.now();
      if (left <= 0)
        throw new Error(`Not within ${waitMs} ms: ${what}; received ${JSON.stringify(this.text.slice(0, 500))}`);
      await this.#next(left);
    }
  }

  /** The head and the body of the next answer that names its length; both are taken. */
  async answer(): Promise<{ readonly status: number; readonly head: string; readonly body: string }> {
    await this.until((peer) => wholeAnswer(peer.text) !== undefined, "a whole answer");
    const whole = wholeAnswer(this.text) as NonNullable<ReturnType<typeof wholeAnswer>>;
    const rest = this.received.subarray(whole.length);
    this.#received = rest.byteLength > 0 ? [rest] : [];
    return { status: Number(whole.head.split(" ")[1]), head: whole.head, body: whole.body };
  }

  #next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function wholeAnswer(text: string) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end + 4);
  const length = end + 4 + Number(/^content-length: *(\d+)\r$/im.exec(head)?.[1] ?? 0);
  return text.length < length ? undefined : { head, body: text.slice(end + 4, length), length };
}

export async function dialPeer(port: number, tls?: { readonly ca: string }): Promise<TcpPeer> {
  const to = { port, host: "127.0.0.1", allowHalfOpen: true };
  const socket = tls === undefined ? connect(to) : connectTls({ ...to, ca: tls.ca });
  const peer = new TcpPeer(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once(tls === undefined ? "connect" : "secureConnect", () => resolve());
    socket.once("error", reject);
  });
  return peer;
}

export type PeerServer = AsyncDisposable & {
  readonly port: number;
  readonly peers: readonly TcpPeer[];
  /** The n-th connection, from 0. */
  peer(index: number): Promise<TcpPeer>;
};

/** A server that does with each connection what it is told. */
export async function servePeers(onPeer: (peer: TcpPeer) => void = () => undefined, port = 0): Promise<PeerServer> {
  const peers: TcpPeer[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = new TcpPeer(socket);
    peers.push(peer);
    onPeer(peer);
    for (const wake of waiting.splice(0)) wake();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve());
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It listens on no port");
  return {
    port: address.port,
    peers,
    async peer(index) {
      const giveUpAt = performance.now() + waitMs;
      while (peers[index] === undefined) {
        const left = giveUpAt - performance.now();
        if (left <= 0) throw new Error(`Connection ${index} did not come within ${waitMs} ms`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          waiting.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
      return peers[index] as TcpPeer;
    },
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
