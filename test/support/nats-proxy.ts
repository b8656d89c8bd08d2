/**
 * A TCP proxy in front of a server, that a test can cut, stall or slow down while connections go through it.
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { claimPort } from "./nats-port.ts";

export type TcpProxy = AsyncDisposable & {
  readonly port: number;
  /** Ends every connection, and refuses new ones until `mend()`. */
  cut(): void;
  /** Keeps every connection open and lets nothing through until `mend()`. */
  stall(): void;
  /** Lets through what clients say and loses what is answered. `mend()` ends these connections. */
  deafen(): void;
  /** Holds back each chunk for so long, in both directions. */
  delay(delayMs: number): void;
  mend(): void;
};

type Mode = "open" | "cut" | "stalled" | "deaf";

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const claim = await claimPort();
  const proxy = new PairingProxy(claim.port, targetPort, () => claim.release());
  await proxy.listen();
  return proxy;
}

class PairingProxy implements TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #release: () => void;
  #mode: Mode = "open";
  #delayMs = 0;

  constructor(port: number, targetPort: number, release: () => void) {
    this.port = port;
    this.#release = release;
    this.#server = createServer((client) => this.#accept(client, connect(targetPort, "127.0.0.1")));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.port, "127.0.0.1", () => resolve());
    });
  }

  cut(): void {
    this.#mode = "cut";
    for (const socket of this.#sockets) socket.destroy();
  }

  stall(): void {
    this.#mode = "stalled";
    for (const socket of this.#sockets) socket.pause();
  }

  deafen(): void {
    this.#mode = "deaf";
  }

  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  mend(): void {
    // A connection that lost some of its bytes is no use to anybody.
    if (this.#mode === "deaf") this.cut();
    this.#mode = "open";
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#release();
  }

  #accept(client: Socket, target: Socket): void {
    this.#forward(client, target, false);
    this.#forward(target, client, true);
  }

  #forward(from: Socket, to: Socket, answers: boolean): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    // One after the other, so that a delay that gets shorter reorders nothing.
    let before = Promise.resolve();
    from.on("data", (chunk) => {
      if (answers && this.#mode === "deaf") return;
      if (this.#delayMs === 0) {
        before = before.then(() => this.#write(from, to, chunk));
        return;
      }
      const due = Bun.sleep(this.#delayMs);
      before = before.then(() => due).then(() => this.#write(from, to, chunk));
    });
    // A broken connection is what such tests are about: its other half breaks too.
    from.on("error", () => undefined);
    from.on("close", () => {
      this.#sockets.delete(from);
      void before.then(() => to.destroy());
    });
    if (this.#mode === "cut") from.destroy();
    if (this.#mode === "stalled") from.pause();
  }

  #write(from: Socket, to: Socket, chunk: string | Buffer): void {
    if (to.destroyed || to.write(chunk)) return;
    from.pause();
    to.once("drain", () => {
      if (this.#mode === "open") from.resume();
    });
  }
}
