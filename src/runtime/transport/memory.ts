/**
 * The transport without sockets, for the simulator and for tests: deterministic, in one process, with the
 * faults that a network has. Behaves as the Bun adapter does (the same contract suite).
 *
 * All waiting goes through the clock, all chance through `random`. Order is kept within a connection, not across.
 * @module
 */
import { ticketsOffer } from "../../protocol/subprotocol.ts";
import type { Clock, Random, Timer } from "../ports.ts";
import { MemoryPipe, type PipeItem } from "./memory-pipe.ts";
import type {
  Listener,
  ListenOptions,
  SendResult,
  Socket,
  SocketHandler,
  Transport,
  TransportHandlers,
} from "./transport.ts";

/** The client's end; the shapes are those of src/client/ports.ts, which this room may not import. */
export type MemoryClientEvents = {
  open(subprotocol: string): void;
  message(data: Uint8Array | string): void;
  close(code: number, reason: string): void;
};
export type MemoryClientSocket = {
  send(data: Uint8Array | string): void;
  bufferedBytes(): number;
  close(code: number, reason: string): void;
};

export type MemoryNetworkOptions = {
  /** Unmoved by jumps of the gateways' clocks. */
  readonly clock: Clock;
  readonly random: Random;
  /** Of a new link, per message. @default uniform in [0, 2) */
  readonly latencyMs?: () => number;
  /** Bytes that a direction holds before its writer has to buffer. @default 65536 */
  readonly kernelBytes?: number;
};

export type ConnectOptions = {
  /** `ws://host:port/path` of a listener. */
  readonly url: string;
  readonly subprotocols?: readonly string[];
  readonly origin?: string;
  readonly events: MemoryClientEvents;
};

/** One connection as the network sees it; its faults. */
export type Link = {
  /** The client's end. */
  readonly socket: MemoryClientSocket;
  /** The client's end stops reading: what the gateway sends piles up, at once in the gateway when the network is `full`. */
  stall(full?: boolean): void;
  unstall(): void;
  /** Both ends learn at once that the connection is lost (1006); what was under way is gone. */
  reset(): void;
  /** From now on nothing passes, and nobody is told. */
  halfOpen(): void;
  setLatency(latencyMs: () => number): void;
};

export type MemoryNetwork = {
  readonly transport: Transport;
  connect(options: ConnectOptions): Link;
  openSocket(url: string, subprotocol: string, events: MemoryClientEvents): MemoryClientSocket;
  /** A request to a listener's `http`. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** Links that have not ended, oldest first. */
  links(): readonly Link[];
  /** Every gateway process dies: its handlers are not called again, every client's socket is reset. */
  crash(): void;
};

/** A closing handshake that is not answered ends after this, as it does in browsers. */
const closeTimeoutMs = 10_000;
const remoteAddress = "127.0.0.1";

type Network = Required<MemoryNetworkOptions> & {
  readonly listeners: Map<string, MemoryListener>;
  readonly links: Set<MemoryLink>;
};

export function memoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const network: Network = {
    latencyMs: () => options.random.next() * 2,
    kernelBytes: 65_536,
    ...options,
    listeners: new Map(),
    links: new Set(),
  };
  let nextPort = 49_152;
  const connect = (to: ConnectOptions): Link => new MemoryLink(network, to);
  return {
    connect,
    transport: {
      listen: async (listenOptions, handlers) => {
        const port = listenOptions.port === 0 ? nextPort++ : listenOptions.port;
        return new MemoryListener(network, { ...listenOptions, port }, handlers);
      },
    },
    openSocket: (url, subprotocol, events) =>
      connect({ url, subprotocols: [subprotocol, ticketsOffer], events }).socket,
    async fetch(url, init) {
      const listener = network.listeners.get(hostOf(new URL(url)));
      if (listener === undefined) throw new TypeError(`Cannot connect to ${url}: nobody listens`);
      return listener.handlers.http(new Request(url, init), remoteAddress);
    },
    links: () => [...network.links],
    crash() {
      network.listeners.clear();
      for (const link of network.links) link.abandon();
    },
  };
}

class MemoryListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  readonly options: ListenOptions;
  readonly handlers: TransportHandlers;
  readonly sockets = new Set<MemorySocket>();
  readonly channels = new Map<string, Set<MemorySocket>>();
  readonly #network: Network;
  readonly #host: string;

  constructor(network: Network, options: ListenOptions, handlers: TransportHandlers) {
    this.hostname = options.hostname;
    this.port = options.port;
    this.secure = options.tls !== undefined;
    this.options = options;
    this.handlers = handlers;
    this.#network = network;
    this.#host = `${options.hostname}:${options.port}`;
    if (network.listeners.has(this.#host)) throw new Error(`Cannot listen on ${this.#host}: EADDRINUSE`);
    network.listeners.set(this.#host, this);
  }
  publish(channel: string, data: Uint8Array | string): void {
    for (const socket of this.channels.get(channel) ?? []) socket.send(data);
  }
  async stop(options: { readonly terminate: boolean }): Promise<void> {
    if (this.#network.listeners.get(this.#host) === this) this.#network.listeners.delete(this.#host);
    if (options.terminate) for (const socket of this.sockets) socket.close(1001, "Server closed");
  }
}

/** The gateway's end of a link. */
class MemorySocket implements Socket {
  readonly subprotocol: string;
  readonly remoteAddress = remoteAddress;
  readonly context: unknown;
  readonly #listener: MemoryListener;
  readonly #link: MemoryLink;
  readonly #channels = new Set<string>();
  #handler: SocketHandler | undefined;
  #open = true;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(listener: MemoryListener, link: MemoryLink, accepted: { subprotocol: string; context?: unknown }) {
    this.subprotocol = accepted.subprotocol;
    this.context = accepted.context;
    this.#listener = listener;
    this.#link = link;
    listener.sockets.add(this);
  }
  start(): void {
    this.#handler = this.#listener.handlers.open(this);
  }
  send(data: Uint8Array | string): SendResult {
    const { down } = this.#link;
    if (!this.#usable || down.bufferedBytes > this.#listener.options.backpressureBytesMax) return "dropped";
    down.write({ kind: "message", data: copy(data) });
    return down.bufferedBytes > 0 ? "congested" : "sent";
  }
  bufferedBytes(): number {
    return this.#link.down.bufferedBytes;
  }
  subscribe(channel: string): void {
    if (!this.#usable) return;
    this.#channels.add(channel);
    const { channels } = this.#listener;
    channels.set(channel, (channels.get(channel) ?? new Set()).add(this));
  }
  unsubscribe(channel: string): void {
    const members = this.#listener.channels.get(channel);
    members?.delete(this);
    if (members?.size === 0) this.#listener.channels.delete(channel);
    this.#channels.delete(channel);
  }
  cork(run: () => void): void {
    run();
  }
  pause(): void {
    this.#link.up.block();
  }
  resume(): void {
    this.#link.resumeUp();
  }
  close(code: number, reason: string): void {
    if (!this.#usable) return;
    this.#closing = { code, reason };
    if (this.bufferedBytes() === 0) return this.#shut(code, reason);
    for (const channel of this.#channels) this.unsubscribe(channel);
  }
  terminate(): void {
    if (!this.#open) return;
    this.#link.resetClient();
    this.lost(1006, "");
  }

  /** What came up the pipe. */
  receive(item: PipeItem): void {
    if (item.kind === "close") return this.#shut(item.code, item.reason);
    if (item.kind === "open" || !this.#usable) return;
    const { data } = item;
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    if (bytes > this.#listener.options.messageBytesMax) return this.#shut(1009, "Received too big message");
    this.#handler?.message(data);
  }
  drained(): void {
    if (this.#closing !== undefined) this.#shut(this.#closing.code, this.#closing.reason);
    else if (this.#open) this.#handler?.drain();
  }
  lost(code: number, reason: string): void {
    if (!this.#open) return;
    this.abandon();
    this.#handler?.close(code, reason);
  }
  /** Ends without calling the handler. */
  abandon(): void {
    this.#open = false;
    this.#link.up.end();
    this.#listener.sockets.delete(this);
    for (const channel of this.#channels) this.unsubscribe(channel);
  }
  get #usable(): boolean {
    return this.#open && this.#closing === undefined;
  }
  #shut(code: number, reason: string): void {
    if (!this.#open) return;
    this.#link.down.write({ kind: "close", code, reason });
    this.lost(code, reason);
  }
}

/** A connection and its client's end. */
class MemoryLink implements Link {
  readonly up: MemoryPipe;
  readonly down: MemoryPipe;
  readonly socket: MemoryClientSocket;
  readonly #network: Network;
  readonly #events: MemoryClientEvents;
  #gateway: MemorySocket | undefined;
  #state: "connecting" | "open" | "closing" | "closed" = "connecting";
  #cut = false;
  #latencyMs: () => number;
  #closeTimer: Timer | undefined;

  constructor(network: Network, options: ConnectOptions) {
    const { clock, kernelBytes } = network;
    this.#network = network;
    this.#events = options.events;
    this.#latencyMs = network.latencyMs;
    const pipe = { clock, kernelBytes, latencyMs: () => this.#latencyMs() };
    const forGateway = (item: PipeItem) => this.#gateway?.receive(item);
    this.up = new MemoryPipe({ ...pipe, deliver: forGateway, drained: () => {} });
    this.down = new MemoryPipe({
      ...pipe,
      deliver: (item) => this.#receive(item),
      drained: () => this.#gateway?.drained(),
    });
    this.socket = {
      send: (data) => this.#send(data),
      bufferedBytes: () => this.up.bufferedBytes,
      close: (code, reason) => this.#close(code, reason),
    };
    network.links.add(this);
    clock.after(this.#latencyMs(), () => this.#knock(options));
  }

  stall(full = false): void {
    this.down.block(full);
  }
  unstall(): void {
    if (!this.#cut) this.down.unblock();
  }
  reset(): void {
    this.#gateway?.lost(1006, "");
    this.#ended(1006, "");
  }
  halfOpen(): void {
    this.#cut = true;
    this.up.block();
    this.down.block();
  }
  setLatency(latencyMs: () => number): void {
    this.#latencyMs = latencyMs;
  }

  /** The gateway reads again, unless nothing arrives there any more. */
  resumeUp(): void {
    if (!this.#cut) this.up.unblock();
  }
  /** The gateway ended it without a handshake; the client hears of it unless the link is cut. */
  resetClient(): void {
    this.down.end();
    this.#network.clock.after(this.#latencyMs(), () => {
      if (!this.#cut) this.#ended(1006, "");
    });
  }
  abandon(): void {
    this.#gateway?.abandon();
    this.resetClient();
  }

  #knock({ url, subprotocols = [], origin }: ConnectOptions): void {
    const target = new URL(url);
    const listener = this.#network.listeners.get(hostOf(target));
    if (this.#cut || this.#state !== "connecting") return;
    const offered = subprotocols.filter((name) => name !== "");
    const at = { path: target.pathname, query: target.search.slice(1), host: target.host };
    const request = { ...at, origin, remoteAddress, subprotocols: offered };
    const decision = listener?.handlers.upgrade(request);
    if (listener === undefined || decision?.accept !== true) return this.resetClient();
    this.#gateway = new MemorySocket(listener, this, decision);
    this.down.write({ kind: "open", subprotocol: decision.subprotocol });
    this.#gateway.start();
  }
  #send(data: Uint8Array | string): void {
    if (this.#state === "connecting") throw new Error("Cannot send: the socket is still connecting");
    if (this.#state === "open") this.up.write({ kind: "message", data: copy(data) });
  }
  #close(code: number, reason: string): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    const early = this.#state === "connecting";
    this.#state = "closing";
    this.up.write({ kind: "close", code: early ? 1006 : code, reason });
    this.#closeTimer = this.#network.clock.after(early ? 0 : closeTimeoutMs, () => this.#ended(1006, ""));
  }
  #receive(item: PipeItem): void {
    if (item.kind === "close") return this.#ended(item.code, item.reason);
    if (item.kind === "open") {
      if (this.#state !== "connecting") return;
      this.#state = "open";
      this.#events.open(item.subprotocol);
    } else if (this.#state === "open") this.#events.message(item.data);
  }
  #ended(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#closeTimer?.cancel();
    this.down.end();
    this.#network.links.delete(this);
    this.#events.close(code, reason);
  }
}

/** As listeners are kept: `host` of a URL leaves out the port that its scheme implies. */
function hostOf({ hostname, port, protocol }: URL): string {
  const implied = protocol === "wss:" || protocol === "https:" ? "443" : "80";
  return `${hostname}:${port === "" ? implied : port}`;
}

function copy(data: Uint8Array | string): Uint8Array | string {
  return typeof data === "string" ? data : new Uint8Array(data);
}
