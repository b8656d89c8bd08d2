/**
 * A TCP or TLS connection as the proxy sees it: bytes both ways, each way with its own end and its own backpressure. One
 * contract, an adapter for Bun's sockets and one for Node's (which Deno has too), one contract suite
 * (test/contract/byte-socket.ts). An adapter translates; it decides nothing.
 * @module
 */
/** What one socket's events go to. Handlers must not throw. */
export type ByteSocketHandler = {
  /** The bytes are the handler's to keep. */
  data(bytes: Uint8Array): void;
  /** The peer sends no more; it may still receive. Not called when all is over with that: then only `closed` is. */
  ended(): void;
  /** What `write` kept is gone. */
  drained(): void;
  /** Nothing goes in or out any more. Called once, however it came about; `cause` when by an error. */
  closed(cause?: Error): void;
};

export type ByteSocket = {
  /** The peer's IP address, an IPv4 one never as ::ffff:… */
  readonly remoteAddress: string;
  /** Nothing goes in or out any more: `closed` was called. */
  readonly isClosed: boolean;
  /** Whom its events go to, from now on. */
  handler: ByteSocketHandler;
  /**
   * Takes all of it. False: the kernel did not, the rest is kept here and goes out by itself, `drained` tells when; until
   * then nothing more should be written, or that is kept too. The bytes must not be changed afterwards.
   */
  write(bytes: Uint8Array): boolean;
  /** Of what was written, in bytes: what is kept here. */
  bufferedBytes(): number;
  /** Tells the peer that nothing more comes, after what is kept. What it sends is still received. */
  end(): void;
  /** Hears nothing more; what the kernel has taken still goes out, what is kept here does not. */
  close(): void;
  /** Ends both ways at once, by a reset where the host can; what was not received yet may be lost. */
  destroy(): void;
  /** No `data` until `resume`, but for what was read already. The peer feels it through TCP. */
  pause(): void;
  resume(): void;
};

/** PEM. */
export type Certificate = { readonly cert: string; readonly key: string };

export type ByteListener = {
  readonly port: number;
  /** No new connections; open ones stay. */
  stop(): void;
};

export type DialOptions = {
  readonly hostname: string;
  readonly port: number;
  /** Over TLS, the peer's certificate checked against `ca` (PEM) or those that the machine trusts. */
  readonly tls?: { readonly ca: string | undefined };
  /** For connecting and the handshake of TLS together. */
  readonly timeoutMs: number;
};
/** refused: nobody takes connections there · timeout · unreachable: no such host or way to it · untrusted: its certificate is not good. */
export type DialCause = "refused" | "timeout" | "unreachable" | "untrusted";
export type Dialled =
  | { readonly ok: true }
  | { readonly ok: false; readonly cause: DialCause; readonly message: string };

export type ListenOptions = {
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: Certificate;
  /** A handshake of TLS that takes longer ends the connection. */
  readonly handshakeMs: number;
  /** Connections that are in that handshake; one more is ended at once. */
  readonly handshakesMax: number;
};

export type SocketHost = {
  /**
   * Rejects when the address cannot be had. A connection over TLS comes when its handshake is done. `accept` gives the
   * socket its handler.
   */
  listen(options: ListenOptions, accept: (socket: ByteSocket) => void): Promise<ByteListener>;
  /** `accept` gives the socket its handler, before anything can come. */
  dial(options: DialOptions, accept: (socket: ByteSocket) => void): Promise<Dialled>;
};

/** Of a socket that nobody has yet. */
export const ignoring: ByteSocketHandler = {
  data: () => undefined,
  ended: () => undefined,
  drained: () => undefined,
  closed: () => undefined,
};

export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "";
}

export function dialCause(code: string | undefined): DialCause {
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ETIMEDOUT") return "timeout";
  return "unreachable";
}
