/**
 * The transport: WebSockets and HTTP on one port. One contract, an adapter per runtime, one contract suite
 * (test/contract/transport.ts). An adapter translates; it decides nothing.
 * @module
 */

/** sent: handed to the kernel · congested: accepted, buffered, `drain` will be called · dropped: not accepted. */
export type SendResult = "sent" | "congested" | "dropped";

export type Socket = {
  /** As negotiated; "" when none was asked for. */
  readonly subprotocol: string;
  readonly remoteAddress: string;
  /** What the decision on its upgrade said. */
  readonly context?: unknown;
  /** A string goes out as a text message. The bytes may be reused by the caller after the call. */
  send(data: Uint8Array | string): SendResult;
  /** What `run` sends leaves in one write, where the host can. */
  cork(run: () => void): void;
  /** Bytes accepted and not yet taken by the kernel. */
  bufferedBytes(): number;
  /** Native fan-out: what is published to the channel is sent to this socket. */
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /**
   * No messages, but for the few that were read already. The peer feels it through TCP; a host that cannot stop
   * reading keeps up to `heldBytesMax`, past them the socket ends with 1013.
   */
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
  /** Ends it at once, without a closing handshake where the host can; for its handler it has ended in any case. */
  terminate(): void;
};

export type UpgradeRequest = {
  readonly path: string;
  /** Without the question mark; "": none. */
  readonly query: string;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  readonly remoteAddress: string;
  /** Subprotocols that the client offers, in its order. */
  readonly subprotocols: readonly string[];
};
export type UpgradeDecision =
  | {
      readonly accept: true;
      readonly subprotocol: string;
      /** Comes back as the socket's. */
      readonly context?: unknown;
    }
  | { readonly accept: false; readonly status: number; readonly message: string };

/** What one socket's events go to; made by `open`. Handlers must not throw. */
export type SocketHandler = {
  /** `data` is the handler's to keep: an adapter whose host uses its buffer again copies first. */
  message(data: Uint8Array | string): void;
  /** The socket's buffer is empty again. */
  drain(): void;
  /** Called once, however the socket ended. */
  close(code: number, reason: string): void;
};

export type TransportHandlers = {
  upgrade(request: UpgradeRequest): UpgradeDecision;
  open(socket: Socket): SocketHandler;
  /** A body that is a stream of events is passed on as it comes, and cancelled when its reader has gone. */
  http(request: Request, remoteAddress: string): Response | Promise<Response>;
};

export type ListenOptions = {
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** One message from a peer; larger ends the socket with 1009. */
  readonly messageBytesMax: number;
  /** Beyond this many buffered bytes `send` answers dropped, and native fan-out skips the socket. */
  readonly backpressureBytesMax: number;
  /** Where the host cannot stop reading: what is kept of a paused socket, in bytes. Beyond a peer's credit. */
  readonly heldBytesMax: number;
};

export type Listener = {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  /** Sends to every socket that is subscribed to the channel, except those beyond their backpressure limit. */
  publish(channel: string, data: Uint8Array | string): void;
  /** Stops accepting; open sockets stay until closed or `terminate`. */
  stop(options: { readonly terminate: boolean }): Promise<void>;
};

export type Transport = {
  listen(options: ListenOptions, handlers: TransportHandlers): Promise<Listener>;
};
