/**
 * The transport on Node: HTTP and WebSockets on one port of uWebSockets.js, which is loaded when it is needed.
 *
 * Decides nothing, as on Bun: no idle timeout, no pings, no compression, no closing at the backpressure limit. What
 * differs: the host cannot stop reading a socket (held-messages.ts stands in); it drops the TCP connection of a
 * peer whose message is far too large without a word, so here it takes twice as much and the close is ours; it loses
 * a close that does not fit the buffer, so here a close waits for the buffer.
 * @module
 */
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
} from "./transport.ts";
import type { UwsApp, UwsListenSocket, UwsModule, UwsRequest, UwsResponse, UwsWebSocket } from "./uws-host.ts";
import { cannotListen, loadUws, makeApp, portOf, stopListening } from "./uws-host.ts";
import { addressOf, answerHttp, statusLine } from "./uws-http.ts";

/**
 * Every socket is subscribed to this channel as long as it lives, and nobody publishes to it: with its last channel a
 * socket would lose what was published to it in the same turn; and without any, older releases lose the
 * head of a frame of 16 KiB or more that meets a full kernel buffer (uNetworking/uWebSockets #1662).
 */
const lifelongChannel = "\0";
const closedAbnormally = 1006;
const messageTooBig = 1009;
const tryAgainLater = 1013;

/** What travels with a socket from its upgrade on; `socket` is there from `open` on. */
type SocketData = {
  readonly subprotocol: string;
  readonly remoteAddress: string;
  readonly context: unknown;
  socket: UwsSocket | undefined;
};
type WebSocketOf = UwsWebSocket<SocketData>;

/** Throws a sentence that says how to add uWebSockets.js when it is not there. */
export async function uwsTransport(): Promise<Transport> {
  const uws = await loadUws();
  return { listen: (options, handlers) => listen(uws, options, handlers) };
}

class UwsSocket implements Socket {
  readonly subprotocol: string;
  readonly remoteAddress: string;
  readonly context: unknown;
  readonly #options: ListenOptions;
  readonly #held: HeldMessages;
  /** Undefined once it has ended: the host's own object throws then. */
  #ws: WebSocketOf | undefined;
  #handler: SocketHandler | undefined;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(ws: WebSocketOf, options: ListenOptions) {
    const { subprotocol, remoteAddress, context } = ws.getUserData();
    this.subprotocol = subprotocol;
    this.remoteAddress = remoteAddress;
    this.context = context;
    this.#ws = ws;
    ws.subscribe(lifelongChannel);
    this.#options = options;
    this.#held = new HeldMessages({
      bytesMax: options.heldBytesMax,
      deliver: (data) => this.#handler?.message(data),
      overflow: () => this.close(tryAgainLater, "Too much was sent while nothing was taken"),
    });
  }
  start(open: TransportHandlers["open"]): void {
    this.#handler = open(this);
  }
  send(data: Uint8Array | string): SendResult {
    if (this.#ws === undefined || this.#closing !== undefined) return "dropped";
    const result = this.#ws.send(data, typeof data !== "string");
    if (result === 1) return "sent";
    return result === 0 ? "congested" : "dropped";
  }
  bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }
  subscribe(channel: string): void {
    if (this.#closing === undefined) this.#ws?.subscribe(channel);
  }
  unsubscribe(channel: string): void {
    this.#ws?.unsubscribe(channel);
  }
  cork(run: () => void): void {
    if (this.#ws === undefined) run();
    else this.#ws.cork(run);
  }
  pause(): void {
    this.#held.pause();
  }
  resume(): void {
    this.#held.resume();
  }
  close(code: number, reason: string): void {
    if (this.#ws === undefined || this.#closing !== undefined) return;
    this.#closing = { code, reason };
    this.#held.end();
    if (this.#ws.getBufferedAmount() === 0) return this.#ws.end(code, reason);
    for (const channel of this.#ws.getTopics()) if (channel !== lifelongChannel) this.#ws.unsubscribe(channel);
  }
  terminate(): void {
    this.#ws?.close();
  }

  received(message: ArrayBuffer, isBinary: boolean): void {
    if (this.#closing !== undefined) return;
    if (message.byteLength > this.#options.messageBytesMax) return this.close(messageTooBig, "Message too big");
    // The host uses its buffer again when this returns.
    this.#held.receive(isBinary ? new Uint8Array(message.slice(0)) : Buffer.from(message).toString());
  }
  drained(): void {
    if (this.#ws === undefined || this.#ws.getBufferedAmount() > 0) return;
    if (this.#closing === undefined) this.#handler?.drain();
    else this.#ws.end(this.#closing.code, this.#closing.reason);
  }
  ended(code: number, reason: string): void {
    this.#ws = undefined;
    this.#held.end();
    // Its own words for a message past even the doubled limit.
    const tooBig = code === closedAbnormally && reason === "Received too big message";
    this.#handler?.close(tooBig ? messageTooBig : code, code === closedAbnormally ? "" : reason);
  }
}

class UwsListener implements Listener {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  readonly #uws: UwsModule;
  readonly #app: UwsApp;
  #listening: UwsListenSocket | undefined;
  #closed = false;

  constructor(uws: UwsModule, app: UwsApp, at: { options: ListenOptions; listening: UwsListenSocket }) {
    this.hostname = at.options.hostname;
    this.port = portOf(uws, at.listening);
    this.secure = at.options.tls !== undefined;
    this.#uws = uws;
    this.#app = app;
    this.#listening = at.listening;
  }
  publish(channel: string, data: Uint8Array | string): void {
    if (!this.#closed) this.#app.publish(channel, data, typeof data !== "string");
  }
  async stop(options: { readonly terminate: boolean }): Promise<void> {
    if (this.#listening !== undefined) stopListening(this.#uws, this.#listening);
    this.#listening = undefined;
    if (!options.terminate || this.#closed) return;
    this.#closed = true;
    this.#app.close();
  }
}

async function listen(uws: UwsModule, options: ListenOptions, handlers: TransportHandlers): Promise<Listener> {
  const app = makeApp(uws, options.tls);
  app.ws("/*", behavior(options, handlers));
  app.any("/*", (response, request) => answerHttp({ response, request, options, http: handlers.http }));
  const { hostname, port } = options;
  // Exclusively: without it, a second gateway would share the port in silence.
  const listening = await new Promise<UwsListenSocket | false>((resolve) => {
    app.listen(hostname, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, resolve);
  });
  if (listening === false) throw await cannotListen(hostname, port);
  return new UwsListener(uws, app, { options, listening });
}

function behavior(options: ListenOptions, handlers: TransportHandlers) {
  return {
    idleTimeout: 0,
    maxLifetime: 0,
    sendPingsAutomatically: false,
    compression: 0,
    closeOnBackpressureLimit: false,
    maxPayloadLength: 2 * options.messageBytesMax,
    maxBackpressure: options.backpressureBytesMax,
    upgrade: (response: UwsResponse, request: UwsRequest, context: unknown) =>
      upgrade(response, request, context, handlers.upgrade),
    open(ws: WebSocketOf) {
      const socket = new UwsSocket(ws, options);
      ws.getUserData().socket = socket;
      socket.start(handlers.open);
    },
    message: (ws: WebSocketOf, message: ArrayBuffer, isBinary: boolean) =>
      ws.getUserData().socket?.received(message, isBinary),
    drain: (ws: WebSocketOf) => ws.getUserData().socket?.drained(),
    close: (ws: WebSocketOf, code: number, reason: ArrayBuffer) =>
      ws.getUserData().socket?.ended(code, Buffer.from(reason).toString()),
  };
}

function upgrade(
  response: UwsResponse,
  request: UwsRequest,
  context: unknown,
  decide: TransportHandlers["upgrade"],
): void {
  const header = (name: string): string | undefined => request.getHeader(name) || undefined;
  const remoteAddress = addressOf(response);
  const decision = decide({
    path: request.getUrl(),
    query: request.getQuery() ?? "",
    origin: header("origin"),
    host: header("host"),
    remoteAddress,
    subprotocols: offeredSubprotocols(header("sec-websocket-protocol")),
  });
  if (!decision.accept) {
    response.cork(() => response.writeStatus(statusLine(decision.status)).end(`${decision.message}\n`));
    return;
  }
  const { subprotocol } = decision;
  const data: SocketData = { subprotocol, remoteAddress, context: decision.context, socket: undefined };
  // No extensions: compression is not spoken.
  response.upgrade(data, request.getHeader("sec-websocket-key"), subprotocol, "", context);
}
