/**
 * The transport on Bun: HTTP and WebSockets on one port of `Bun.serve`.
 *
 * Decides nothing: no idle timeout and no pings (the gateway has its own heartbeat), no compression, no
 * closing at the backpressure limit. After `pause` the few messages that Bun has read already still arrive.
 * Bun keeps a closed socket until its peer has read what was buffered, out of reach of `terminate`; so here
 * a close waits for the buffer, and until then the socket can still be terminated.
 * @module
 */
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

/** What travels with a socket from its upgrade on; `socket` is there from `open` on. */
type SocketData = { readonly subprotocol: string; readonly context: unknown; socket: BunSocket | undefined };
type BunWebSocket = Bun.ServerWebSocket<SocketData>;
type BunServer = Bun.Server<SocketData>;

export function bunTransport(): Transport {
  return { listen: async (options, handlers) => new BunListener(options, serve(options, handlers)) };
}

class BunSocket implements Socket {
  readonly subprotocol: string;
  readonly #ws: BunWebSocket;
  #handler: SocketHandler | undefined;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(ws: BunWebSocket) {
    this.subprotocol = ws.data.subprotocol;
    this.#ws = ws;
  }
  start(open: TransportHandlers["open"]): void {
    this.#handler = open(this);
  }
  get remoteAddress(): string {
    return this.#ws.remoteAddress;
  }
  get context(): unknown {
    return this.#ws.data.context;
  }
  send(data: Uint8Array | string): SendResult {
    if (this.#closing !== undefined) return "dropped";
    const result = this.#ws.send(data as Uint8Array<ArrayBuffer> | string);
    if (result > 0) return "sent";
    return result < 0 ? "congested" : "dropped";
  }
  bufferedBytes(): number {
    return this.#ws.getBufferedAmount();
  }
  subscribe(channel: string): void {
    if (this.#closing === undefined) this.#ws.subscribe(channel);
  }
  unsubscribe(channel: string): void {
    this.#ws.unsubscribe(channel);
  }
  cork(run: () => void): void {
    this.#ws.cork(run);
  }
  pause(): void {
    this.#ws.pause();
  }
  resume(): void {
    this.#ws.resume();
  }
  close(code: number, reason: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = { code, reason };
    if (this.#ws.getBufferedAmount() === 0) return this.#ws.close(code, reason);
    for (const channel of this.#ws.subscriptions) this.#ws.unsubscribe(channel);
  }
  terminate(): void {
    this.#ws.terminate();
  }

  received(data: Uint8Array | string): void {
    if (this.#closing === undefined) this.#handler?.message(data);
  }
  drained(): void {
    if (this.#ws.getBufferedAmount() > 0) return;
    if (this.#closing === undefined) this.#handler?.drain();
    else this.#ws.close(this.#closing.code, this.#closing.reason);
  }
  ended(code: number, reason: string): void {
    // Bun tells the peer 1009, and its own side 1006 with this reason.
    const tooBig = code === 1006 && reason === "Received too big message";
    this.#handler?.close(tooBig ? 1009 : code, reason);
  }
}

class BunListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  readonly #server: BunServer;

  constructor(options: ListenOptions, server: BunServer) {
    this.hostname = options.hostname;
    this.port = server.port ?? options.port;
    this.secure = options.tls !== undefined;
    this.#server = server;
  }
  publish(channel: string, data: Uint8Array | string): void {
    this.#server.publish(channel, data as Uint8Array<ArrayBuffer> | string);
  }
  async stop(options: { readonly terminate: boolean }): Promise<void> {
    const everythingClosed = this.#server.stop(options.terminate);
    // Bun's promise waits for the last socket; without terminate those are the gateway's to end.
    if (options.terminate) await everythingClosed;
  }
}

function serve(options: ListenOptions, handlers: TransportHandlers): BunServer {
  const { hostname, port, tls } = options;
  try {
    return Bun.serve<SocketData>({
      hostname,
      port,
      ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
      development: false,
      // Said aloud: without it, `development: false` lets a second gateway share the port in silence.
      reusePort: false,
      maxRequestBodySize: options.messageBytesMax,
      fetch: (request, server) => answer(request, server, handlers),
      error: () => new Response("Internal error\n", { status: 500 }),
      websocket: websocketOptions(options, handlers),
    });
  } catch (error) {
    const cause = (error as { code?: string }).code ?? String(error);
    throw new Error(`Cannot listen on ${hostname}:${port}: ${cause}`, { cause: error });
  }
}

function answer(
  request: Request,
  server: BunServer,
  handlers: TransportHandlers,
): Response | Promise<Response> | undefined {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
    return handlers.http(request, addressOf(request, server));
  const decision = handlers.upgrade(upgradeRequest(request, server));
  if (!decision.accept) return new Response(`${decision.message}\n`, { status: decision.status });
  const { subprotocol, context } = decision;
  const headers = subprotocol === "" ? {} : { "Sec-WebSocket-Protocol": subprotocol };
  if (server.upgrade(request, { data: { subprotocol, context, socket: undefined }, headers })) return undefined;
  return new Response("Not a valid WebSocket upgrade\n", { status: 400 });
}

function addressOf(request: Request, server: BunServer): string {
  return server.requestIP(request)?.address ?? "";
}

function upgradeRequest(request: Request, server: BunServer): UpgradeRequest {
  const { headers } = request;
  const { pathname, search } = new URL(request.url);
  return {
    path: pathname,
    query: search.slice(1),
    origin: headers.get("origin") ?? undefined,
    host: headers.get("host") ?? undefined,
    remoteAddress: addressOf(request, server),
    subprotocols: offeredSubprotocols(headers.get("sec-websocket-protocol")),
  };
}

function websocketOptions(options: ListenOptions, handlers: TransportHandlers): Bun.WebSocketHandler<SocketData> {
  return {
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    closeOnBackpressureLimit: false,
    maxPayloadLength: options.messageBytesMax,
    backpressureLimit: options.backpressureBytesMax,
    open(ws) {
      // Not Buffer: its `slice` is a view, and who copies with `slice` would copy nothing.
      ws.binaryType = "uint8array";
      ws.data.socket = new BunSocket(ws);
      ws.data.socket.start(handlers.open);
    },
    message: (ws, data) => ws.data.socket?.received(data),
    drain: (ws) => ws.data.socket?.drained(),
    close: (ws, code, reason) => ws.data.socket?.ended(code, reason),
  };
}
