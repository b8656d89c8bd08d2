/**
 * Byte sockets on Node and Deno: `node:net` and `node:tls`.
 *
 * A stream keeps what the kernel does not take, and tells when it is gone.
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from "node:tls";
import {
  type ByteListener,
  type ByteSocket,
  type ByteSocketHandler,
  type Dialled,
  type DialOptions,
  dialCause,
  ignoring,
  type ListenOptions,
  plainAddress,
  type SocketHost,
} from "./byte-socket.ts";

export function nodeSockets(): SocketHost {
  return { listen, dial };
}

class NodeByteSocket implements ByteSocket {
  readonly remoteAddress: string;
  isClosed = false;
  handler: ByteSocketHandler = ignoring;
  readonly #stream: Socket;

  constructor(stream: Socket) {
    this.remoteAddress = plainAddress(stream.remoteAddress);
    this.#stream = stream;
    stream.setNoDelay(true);
    let cause: Error | undefined;
    stream.on("data", (bytes: Buffer) => this.handler.data(bytes));
    stream.on("end", () => {
      if (!stream.destroyed) this.handler.ended();
    });
    stream.on("drain", () => this.handler.drained());
    stream.on("error", (error) => {
      cause = error;
    });
    stream.on("close", () => {
      this.isClosed = true;
      this.handler.closed(cause);
    });
  }

  write(bytes: Uint8Array): boolean {
    return !this.#stream.writable || this.#stream.write(bytes);
  }
  bufferedBytes(): number {
    return this.#stream.writableLength;
  }
  end(): void {
    this.#stream.end();
  }
  close(): void {
    this.#stream.destroy();
  }
  destroy(): void {
    // A reset is not possible over TLS.
    if (this.#stream instanceof TLSSocket) this.#stream.destroy();
    else this.#stream.resetAndDestroy();
  }
  pause(): void {
    this.#stream.pause();
  }
  resume(): void {
    this.#stream.resume();
  }
}

function listen(options: ListenOptions, accept: (socket: ByteSocket) => void): Promise<ByteListener> {
  const { hostname, port } = options;
  const server = serverOf(options, (stream) => accept(new NodeByteSocket(stream)));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: hostname, port }, () => {
      const address = server.address();
      const listening = typeof address === "object" && address !== null ? address.port : port;
      resolve({ port: listening, stop: () => void server.close() });
    });
  });
}

function serverOf({ tls, handshakeMs, handshakesMax }: ListenOptions, taken: (stream: Socket) => void): Server {
  if (tls === undefined) return createServer({ allowHalfOpen: true }, taken);
  let handshakes = 0;
  const over = (): void => {
    handshakes--;
  };
  const options = { allowHalfOpen: true, cert: tls.cert, key: tls.key, handshakeTimeout: handshakeMs };
  const server = createTlsServer(options, (stream) => {
    over();
    taken(stream);
  });
  server.on("connection", (stream: Socket) => {
    handshakes++;
    if (handshakes > handshakesMax) stream.destroy();
  });
  server.on("tlsClientError", (_error, stream) => {
    over();
    stream.destroy();
  });
  return server;
}

function dial(options: DialOptions, accept: (socket: ByteSocket) => void): Promise<Dialled> {
  const { hostname, port, tls, timeoutMs } = options;
  const to = { host: hostname, port, allowHalfOpen: true };
  const stream = tls === undefined ? connect(to) : connectTls({ ...to, ...tlsOptions(hostname, tls.ca) });
  return new Promise((resolve) => {
    const fail = (cause: Extract<Dialled, { ok: false }>["cause"], message: string): void => {
      clearTimeout(timer);
      resolve({ ok: false, cause, message });
      stream.destroy();
    };
    const timer = setTimeout(() => fail("timeout", `It did not answer within ${timeoutMs} ms`), timeoutMs);
    stream.on("error", (error: Error & { code?: string }) => {
      fail(isCertificateProblem(error.code) ? "untrusted" : dialCause(error.code), error.message);
    });
    stream.once(tls === undefined ? "connect" : "secureConnect", () => {
      clearTimeout(timer);
      stream.removeAllListeners("error");
      accept(new NodeByteSocket(stream));
      resolve({ ok: true });
    });
  });
}

/** An address is no server name (RFC 6066), its certificate is checked all the same. */
function tlsOptions(hostname: string, ca: string | undefined) {
  const isAddress = /^[\d.]+$|:/.test(hostname);
  return { ...(ca === undefined ? {} : { ca }), ...(isAddress ? {} : { servername: hostname }) };
}

function isCertificateProblem(code: string | undefined): boolean {
  return code !== undefined && /CERT|SIGNED|ALTNAME|UNABLE_TO/.test(code);
}
