/**
 * The transport on Deno: HTTP and WebSockets on one port of `Deno.serve`.
 *
 * Decides nothing, as on Bun. What the host lacks: fan-out is a loop over a channel's sockets (deno-channels.ts); that
 * a buffer is empty is found by looking (deno-drain.ts); reading cannot be stopped (held-messages.ts); a message is
 * measured when it is there (the host's own bound is 64 MiB); one socket cannot be cut off: `terminate` says goodbye
 * in vain to a peer that does not read, and its TCP connection ends with the listener; the host cannot stop
 * accepting without ending its sockets, so what comes after `stop` is answered 503.
 * @module
 */
import { Channels } from "./deno-channels.ts";
import { DrainWatch } from "./deno-drain.ts";
import { HeldMessages } from "./held-messages.ts";
import { offeredSubprotocols } from "./offered.ts";
import type {
  Listener,
  ListenOptions,
  SendResult,
  Socket,
  SocketHandler,
  Transport,
  TransportHandlers,
  UpgradeRequest,
} from "./transport.ts";

type DenoServer = {
  readonly addr: { readonly hostname: string; readonly port: number };
  readonly finished: Promise<void>;
};
type DenoServeInfo = { readonly remoteAddr: { readonly hostname?: string } };
type DenoServeOptions = {
  readonly hostname: string;
  readonly port: number;
  readonly cert?: string;
  readonly key?: string;
  readonly signal: AbortSignal;
  onListen(): void;
  onError(): Response;
};
type DenoHost = {
  serve(
    options: DenoServeOptions,
    handler: (request: Request, info: DenoServeInfo) => Response | Promise<Response>,
  ): DenoServer;
  upgradeWebSocket(
    request: Request,
    options: { readonly protocol?: string; readonly idleTimeout: number },
  ): { readonly socket: WebSocket; readonly response: Response };
};
type PeerParts = { readonly subprotocol: string; readonly remoteAddress: string; readonly context: unknown };
/** What the sockets of a listener share. */
type Shared = { readonly options: ListenOptions; readonly channels: Channels<DenoSocket>; readonly drains: DrainWatch };

const goingAway = 1001;
const closedAbnormally = 1006;
const messageTooBig = 1009;
const tryAgainLater = 1013;
const utf8BytesPerUnitMax = 3;

export function denoTransport(): Transport {
  return { listen: async (options, handlers) => new DenoListener(options, handlers) };
}

class DenoSocket implements Socket {
  readonly subprotocol: string;
  readonly remoteAddress: string;
  readonly context: unknown;
  readonly #shared: Shared;
  readonly #ws: WebSocket;
  readonly #held: HeldMessages;
  readonly #drain: { look(): void; due(): void; readonly stuck: boolean };
  #handler: SocketHandler | undefined;
  #closing: { readonly code: number; readonly reason: string } | undefined;
  #ended = false;

  constructor(ws: WebSocket, shared: Shared, peer: PeerParts) {
    this.subprotocol = peer.subprotocol;
    this.remoteAddress = peer.remoteAddress;
    this.context = peer.context;
    this.#shared = shared;
    this.#ws = ws;
    this.#held = new HeldMessages({
      bytesMax: shared.options.heldBytesMax,
      deliver: (data) => this.#handler?.message(data),
      overflow: () => this.close(tryAgainLater, "Too much was sent while nothing was taken"),
    });
    this.#drain = shared.drains.watch({
      bufferedBytes: () => this.bufferedBytes(),
      drained: () => this.#drained(),
    });
  }
  start(open: TransportHandlers["open"]): void {
    this.#handler = open(this);
  }
  send(data: Uint8Array | string): SendResult {
    if (this.#ended || this.#closing !== undefined) return "dropped";
    if (this.bufferedBytes() > this.#shared.options.backpressureBytesMax) {
      this.#drain.due();
      return "dropped";
    }
    this.#ws.send(data as Uint8Array<ArrayBuffer> | string);
    this.#drain.look();
    return this.#drain.stuck ? "congested" : "sent";
  }
  bufferedBytes(): number {
    return this.#ended ? 0 : this.#ws.bufferedAmount;
  }
  subscribe(channel: string): void {
    if (!this.#ended && this.#closing === undefined) this.#shared.channels.add(channel, this);
  }
  unsubscribe(channel: string): void {
    this.#shared.channels.remove(channel, this);
  }
  cork(run: () => void): void {
    run();
  }
  pause(): void {
    this.#held.pause();
  }
  resume(): void {
    this.#held.resume();
  }
  close(code: number, reason: string): void {
    if (this.#ended || this.#closing !== undefined) return;
    this.#closing = { code, reason };
    this.#held.end();
    this.#shared.channels.removeAll(this);
    if (this.bufferedBytes() === 0) this.#sayClose(code, reason);
    else this.#drain.due();
  }
  terminate(): void {
    if (this.#ended) return;
    this.#ws.close(goingAway);
    this.ended(closedAbnormally, "");
  }

  received(data: ArrayBuffer | string): void {
    if (this.#ended || this.#closing !== undefined) return;
    const { messageBytesMax } = this.#shared.options;
    if (bytesAbove(data, messageBytesMax)) return this.close(messageTooBig, "Message too big");
    this.#held.receive(typeof data === "string" ? data : new Uint8Array(data));
  }
  ended(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#held.end();
    this.#shared.channels.removeAll(this);
    this.#handler?.close(code, reason);
  }

  #drained(): void {
    if (this.#ended) return;
    if (this.#closing === undefined) this.#handler?.drain();
    else this.#sayClose(this.#closing.code, this.#closing.reason);
  }
  /** As on the other hosts it has ended then, whether the peer answers or not. */
  #sayClose(code: number, reason: string): void {
    this.#ws.close(code, reason);
    this.ended(code, reason);
  }
}

class DenoListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  readonly #shared: Shared;
  readonly #handlers: TransportHandlers;
  readonly #abort = new AbortController();
  readonly #server: DenoServer;
  #stopped = false;

  constructor(options: ListenOptions, handlers: TransportHandlers) {
    this.#shared = { options, channels: new Channels(), drains: new DrainWatch() };
    this.#handlers = handlers;
    this.#server = this.#serve(options);
    this.hostname = options.hostname;
    this.port = this.#server.addr.port;
    this.secure = options.tls !== undefined;
  }
  publish(channel: string, data: Uint8Array | string): void {
    for (const socket of this.#shared.channels.of(channel)) socket.send(data);
  }
  async stop({ terminate }: { readonly terminate: boolean }): Promise<void> {
    this.#stopped = true;
    if (!terminate) return;
    this.#abort.abort();
    await this.#server.finished;
  }

  #serve({ hostname, port, tls }: ListenOptions): DenoServer {
    const options: DenoServeOptions = {
      hostname,
      port,
      ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }),
      signal: this.#abort.signal,
      onListen() {},
      onError: () => new Response("Internal error\n", { status: 500 }),
    };
    try {
      return denoHost().serve(options, (request, info) => this.#answer(request, info));
    } catch (error) {
      const cause = (error as { code?: string }).code ?? String(error);
      throw new Error(`Cannot listen on ${hostname}:${port}: ${cause}`, { cause: error });
    }
  }

  #answer(request: Request, info: DenoServeInfo): Response | Promise<Response> {
    if (this.#stopped) return new Response("Stopping\n", { status: 503, headers: { Connection: "close" } });
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
      return this.#handlers.http(request, addressOf(info));
    const asked = upgradeRequest(request, info);
    const decision = this.#handlers.upgrade(asked);
    if (!decision.accept) return new Response(`${decision.message}\n`, { status: decision.status });
    const { subprotocol, context } = decision;
    return this.#upgrade(request, { subprotocol, context, remoteAddress: asked.remoteAddress });
  }

  #upgrade(request: Request, peer: PeerParts): Response {
    const protocol = peer.subprotocol === "" ? {} : { protocol: peer.subprotocol };
    let upgraded: ReturnType<DenoHost["upgradeWebSocket"]>;
    try {
      upgraded = denoHost().upgradeWebSocket(request, { ...protocol, idleTimeout: 0 });
    } catch {
      return new Response("Not a valid WebSocket upgrade\n", { status: 400 });
    }
    const ws = upgraded.socket;
    const socket = new DenoSocket(ws, this.#shared, peer);
    ws.binaryType = "arraybuffer";
    ws.onopen = () => socket.start(this.#handlers.open);
    ws.onmessage = (event: MessageEvent<ArrayBuffer | string>) => socket.received(event.data);
    ws.onclose = ({ code, reason }) => socket.ended(code === 0 ? closedAbnormally : code, reason);
    return upgraded.response;
  }
}

function denoHost(): DenoHost {
  return (globalThis as unknown as { Deno: DenoHost }).Deno;
}

function addressOf({ remoteAddr }: DenoServeInfo): string {
  return remoteAddr.hostname ?? "";
}

function upgradeRequest({ headers, url }: Request, info: DenoServeInfo): UpgradeRequest {
  const { pathname, search } = new URL(url);
  return {
    path: pathname,
    query: search.slice(1),
    origin: headers.get("origin") ?? undefined,
    host: headers.get("host") ?? undefined,
    remoteAddress: addressOf(info),
    subprotocols: offeredSubprotocols(headers.get("sec-websocket-protocol")),
  };
}

function bytesAbove(data: ArrayBuffer | string, max: number): boolean {
  if (typeof data !== "string") return data.byteLength > max;
  if (data.length * utf8BytesPerUnitMax <= max) return false;
  return data.length > max || Buffer.byteLength(data) > max;
}
