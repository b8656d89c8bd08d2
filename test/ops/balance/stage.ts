/**
 * A proxy in this process, made of the words of its command line, in front of backends that a test plays.
 * @module
 */
import { readFileSync } from "node:fs";
import { startAdmin } from "../../../src/ops/balance/balance-admin.ts";
import { readBalancing } from "../../../src/ops/balance/balance-options.ts";
import { BalanceServer } from "../../../src/ops/balance/balance-server.ts";
import { hostSockets } from "../../../src/ops/balance/host-sockets.ts";
import type { LogLevel } from "../../../src/runtime/ports.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { hostTransport } from "../../../src/runtime/transport/host.ts";
import { dialPeer, type PeerServer, servePeers, type TcpPeer } from "../../support/tcp-peer.ts";

export type LogLine = { readonly level: LogLevel; readonly event: string } & Readonly<Record<string, unknown>>;

export class ProxyStage implements AsyncDisposable {
  readonly lines: LogLine[] = [];
  readonly server: BalanceServer;
  readonly #stopTimeoutMs: number;
  port = 0;
  /** Of its admin port. */
  admin = "";
  #stopAdmin: () => Promise<void> = async () => undefined;
  #stopped: Promise<void> | undefined;

  /** `backends`: ports of this machine, or what --backend takes. Checks of health are off unless words say otherwise. */
  static async open(backends: readonly (number | string)[], words: readonly string[] = []): Promise<ProxyStage> {
    const named = backends.flatMap((one) => ["--backend", typeof one === "number" ? `ws://127.0.0.1:${one}` : one]);
    const health = words.includes("--health") ? [] : ["--health", "off"];
    const stop = words.includes("--stop-timeout") ? [] : ["--stop-timeout", "0s"];
    const all = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...named, ...health, ...stop, ...words];
    const stage = new ProxyStage(all);
    await stage.#start(all);
    return stage;
  }

  private constructor(words: readonly string[]) {
    const { server, stopTimeoutMs } = readBalancing({ words, env: {}, readFile });
    const logger = {
      log: (level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>) => {
        this.lines.push({ ...fields, level, event });
      },
    };
    const ports = { clock: systemClock(), random: systemRandom(), logger, sockets: hosted };
    this.server = new BalanceServer(server, ports);
    this.#stopTimeoutMs = stopTimeoutMs;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }
  get http(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  dial(tls?: { readonly ca: string }): Promise<TcpPeer> {
    return dialPeer(this.port, tls);
  }
  stop(): Promise<void> {
    this.#stopped ??= this.server.stop(this.#stopTimeoutMs);
    return this.#stopped;
  }
  logged(event: string): readonly LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#stopAdmin();
  }

  async #start(words: readonly string[]): Promise<void> {
    this.port = await this.server.start();
    const { admin } = readBalancing({ words, env: {}, readFile });
    if (admin === undefined) return;
    const listener = await startAdmin(this.server, await hostTransport(), admin);
    this.admin = `http://127.0.0.1:${listener.port}`;
    this.#stopAdmin = () => listener.stop({ terminate: true });
  }
}

const hosted = await hostSockets();
const readFile = (path: string): string => readFileSync(path, "utf8");

export const upgradeHead = (path = "/", lines: readonly string[] = []): string =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: gateway.example",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...lines,
    "\r\n",
  ].join("\r\n");
export const agreed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/** A backend that agrees to every upgrade. `onOpen`: what it does then. */
export function agreeing(onOpen: (peer: TcpPeer) => void = () => undefined): Promise<PeerServer> {
  return servePeers(async (peer) => {
    await peer.until(() => peer.text.includes("\r\n\r\n"), "a head").catch(() => undefined);
    if (!peer.text.includes("\r\n\r\n")) return;
    peer.write(agreed);
    onOpen(peer);
  });
}

/** A backend that answers every request with the same. */
export function answering(answer: string): Promise<PeerServer> {
  return servePeers((peer) => {
    peer.socket.on("data", () => {
      while (peer.text.includes("\r\n\r\n")) {
        const [, length = "0"] = /^content-length: *(\d+)\r$/im.exec(peer.text) ?? [];
        const end = peer.text.indexOf("\r\n\r\n") + 4 + Number(length);
        const all = peer.take();
        if (all.byteLength > end) peer.socket.unshift(all.subarray(end));
        peer.write(answer);
      }
    });
    peer.socket.on("end", () => peer.end());
  });
}

/** A client and its backend, joined. */
export async function joined(stage: ProxyStage, backend: PeerServer, index = 0) {
  const client = await stage.dial();
  client.write(upgradeHead());
  await client.until(() => client.text.includes("\r\n\r\n"), "the upgrade");
  const peer = await backend.peer(index);
  client.take();
  peer.take();
  return { client, peer };
}

/** The same through any proxy; the backend agrees here. */
export async function joinedOver(port: number, backend: PeerServer) {
  const client = await dialPeer(port);
  client.write(upgradeHead());
  const peer = await backend.peer(0);
  await peer.until(() => peer.text.includes("\r\n\r\n"), "the upgrade");
  peer.write(agreed);
  await client.until(() => client.text.includes("\r\n\r\n"), "the answer");
  client.take();
  peer.take();
  return { client, peer };
}
