/**
 * Byte sockets on Bun: `Bun.listen` and `Bun.connect`, one call from the kernel to the handler.
 *
 * Bun writes what the kernel takes and answers how much that was; the rest is kept here.
 * @module
 */
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

type Native = Bun.Socket<BunByteSocket | undefined>;

export function bunSockets(): SocketHost {
  return { listen: async (options, accept) => listen(options, accept), dial };
}

class BunByteSocket implements ByteSocket {
  readonly remoteAddress: string;
  isClosed = false;
  handler: ByteSocketHandler = ignoring;
  readonly #native: Native;
  /** What the kernel did not take, in order. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #ending = false;
  #isPaused = false;

  constructor(native: Native) {
    this.remoteAddress = plainAddress(native.remoteAddress);
    this.#native = native;
  }

  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.#ending) return true;
    if (this.#keptBytes > 0) return this.#keep(bytes);
    const taken = Math.max(0, this.#native.write(bytes as Uint8Array<ArrayBuffer>));
    return taken === bytes.byteLength || this.#keep(bytes.subarray(taken));
  }
  bufferedBytes(): number {
    return this.#keptBytes;
  }
  end(): void {
    if (this.isClosed || this.#ending) return;
    this.#ending = true;
    if (this.#keptBytes === 0) this.#native.shutdown();
  }
  close(): void {
    if (!this.isClosed) this.#native.close();
  }
  destroy(): void {
    if (!this.isClosed) this.#native.terminate();
  }
  pause(): void {
    if (this.isClosed || this.#isPaused) return;
    this.#isPaused = true;
    this.#native.pause();
  }
  resume(): void {
    if (this.isClosed || !this.#isPaused) return;
    this.#isPaused = false;
    this.#native.resume();
  }

  /** The kernel has room again. */
  writable(): void {
    if (this.#keptBytes === 0) return;
    while (this.#kept.length > 0) {
      const first = this.#kept[0] as Uint8Array;
      const taken = Math.max(0, this.#native.write(first as Uint8Array<ArrayBuffer>));
      this.#keptBytes -= taken;
      if (taken < first.byteLength) {
        this.#kept[0] = first.subarray(taken);
        return;
      }
      this.#kept.shift();
    }
    if (this.#ending) this.#native.shutdown();
    else this.handler.drained();
  }

  gone(cause: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#kept = [];
    this.#keptBytes = 0;
    this.handler.closed(cause);
  }

  #keep(bytes: Uint8Array): false {
    this.#kept.push(bytes);
    this.#keptBytes += bytes.byteLength;
    return false;
  }
}

/** The same for all sockets: what belongs to one is in its `data`. */
const events = {
  data: (native: Native, bytes: Buffer) => native.data?.handler.data(bytes),
  drain: (native: Native) => native.data?.writable(),
  end: (native: Native) => native.data?.handler.ended(),
  close: (native: Native, cause?: Error) => native.data?.gone(cause),
  // `close` follows.
  error: () => undefined,
};

function listen(options: ListenOptions, accept: (socket: ByteSocket) => void): ByteListener {
  const { hostname, port, tls } = options;
  const open = (native: Native): void => taken(native, accept);
  const server = Bun.listen<BunByteSocket | undefined>({
    ...{ hostname, port, allowHalfOpen: true, data: undefined },
    ...(tls === undefined
      ? { socket: { ...events, open } }
      : { tls: { cert: tls.cert, key: tls.key }, socket: handshaking(options, open) }),
  });
  return { port: server.port, stop: () => server.stop(false) };
}

function taken(native: Native, accept: (socket: ByteSocket) => void): void {
  const socket = new BunByteSocket(native);
  native.data = socket;
  accept(socket);
}

/** `handshake` comes with whatever the client's certificate is, of which none was asked: `authorized` says nothing here. */
function handshaking({ handshakeMs, handshakesMax }: ListenOptions, done: (native: Native) => void) {
  const deadlines = new Map<Native, ReturnType<typeof setTimeout>>();
  const over = (native: Native): void => {
    clearTimeout(deadlines.get(native));
    deadlines.delete(native);
  };
  return {
    ...events,
    open: (native: Native): void => {
      if (deadlines.size >= handshakesMax) return native.terminate();
      deadlines.set(
        native,
        setTimeout(() => native.terminate(), handshakeMs),
      );
    },
    handshake: (native: Native, good: boolean): void => {
      over(native);
      if (good) done(native);
      else native.terminate();
    },
    close: (native: Native, cause?: Error): void => {
      over(native);
      events.close(native, cause);
    },
  };
}

async function dial(options: DialOptions, accept: (socket: ByteSocket) => void): Promise<Dialled> {
  const { hostname, port, tls, timeoutMs } = options;
  const { promise, resolve } = Promise.withResolvers<Dialled>();
  let pending = true;
  const settle = (result: Dialled): void => {
    pending = false;
    clearTimeout(timer);
    resolve(result);
  };
  const fail = (code: string | undefined, message: string): void => {
    if (pending) settle({ ok: false, cause: dialCause(code), message });
  };
  const timer = setTimeout(() => fail("ETIMEDOUT", `It did not answer within ${timeoutMs} ms`), timeoutMs);
  const ready = (native: Native): void => {
    if (!pending) return void native.terminate();
    settle({ ok: true });
    taken(native, accept);
  };
  const checked = (native: Native, good: boolean, problem: Error | null): void => {
    if (good) return ready(native);
    if (pending) settle({ ok: false, cause: "untrusted", message: problem?.message ?? "Its certificate is not good" });
    native.terminate();
  };
  const connecting = Bun.connect<BunByteSocket | undefined>({
    ...{ hostname, port, allowHalfOpen: true, data: undefined },
    ...(tls === undefined
      ? {}
      : { tls: { rejectUnauthorized: true, ...(tls.ca === undefined ? {} : { ca: tls.ca }) } }),
    socket: {
      ...events,
      ...(tls === undefined ? { open: ready } : { handshake: checked }),
      close: (native: Native, cause?: Error) => {
        fail("ECONNRESET", cause?.message ?? "It ended the connection before it stood");
        events.close(native, cause);
      },
      connectError: (_native: Native, error: Error) => fail((error as { code?: string }).code, error.message),
    },
  });
  connecting.catch((error: unknown) => fail((error as { code?: string }).code, (error as Error).message));
  return await promise;
}
