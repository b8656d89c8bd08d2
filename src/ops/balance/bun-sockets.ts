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
  type DialCause,
  type Dialled,
  type DialOptions,
  dialCause,
  ignoring,
  type ListenOptions,
  plainAddress,
  type SocketHost,
} from "./byte-socket.ts";

/** Of a native socket: what it is here, or the dial that waits for it. */
type Native = Bun.Socket<BunByteSocket | Dial | undefined>;

export function bunSockets(): SocketHost {
  return { listen: async (options, accept) => listen(options, accept), dial };
}

class BunByteSocket implements ByteSocket {
  isClosed = false;
  handler: ByteSocketHandler = ignoring;
  readonly #native: Native;
  /** What the kernel did not take, in order. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #ending = false;
  #isPaused = false;

  constructor(native: Native) {
    this.#native = native;
  }

  /** Of backends nobody asks. */
  get remoteAddress(): string {
    return plainAddress(this.#native.remoteAddress);
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

const socketOf = ({ data }: Native): BunByteSocket | undefined => (data instanceof BunByteSocket ? data : undefined);

/** The same for all sockets: what belongs to one is in its `data`. */
const events = {
  data: (native: Native, bytes: Buffer) => socketOf(native)?.handler.data(bytes),
  drain: (native: Native) => socketOf(native)?.writable(),
  end: (native: Native) => socketOf(native)?.handler.ended(),
  close: (native: Native, cause?: Error) => socketOf(native)?.gone(cause),
  // `close` follows.
  error: () => undefined,
};

function listen(options: ListenOptions, accept: (socket: ByteSocket) => void): ByteListener {
  const { hostname, port, tls } = options;
  const open = (native: Native): void => taken(native, accept);
  const server = Bun.listen<BunByteSocket | Dial | undefined>({
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

/** A connection that is being made. */
class Dial {
  readonly outcome: Promise<Dialled>;
  readonly #accept: (socket: ByteSocket) => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  #settle: (outcome: Dialled) => void = () => undefined;
  #isPending = true;

  constructor(timeoutMs: number, accept: (socket: ByteSocket) => void) {
    this.#accept = accept;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#timer = setTimeout(() => this.fail("timeout", `It did not answer within ${timeoutMs} ms`), timeoutMs);
  }

  stands(native: Native): void {
    // It came after its time.
    if (!this.#isPending) return void native.terminate();
    this.#settled({ ok: true });
    taken(native, this.#accept);
  }
  fail(cause: DialCause, message: string): void {
    if (this.#isPending) this.#settled({ ok: false, cause, message });
  }

  #settled(outcome: Dialled): void {
    this.#isPending = false;
    clearTimeout(this.#timer);
    this.#settle(outcome);
  }
}

/** The same for all dials: made anew for each they would cost more than the connection. */
const dialEvents = {
  ...events,
  open: (native: Native) => dialOf(native)?.stands(native),
  close: (native: Native, cause?: Error) => {
    dialOf(native)?.fail("unreachable", cause?.message ?? "It ended the connection before it stood");
    events.close(native, cause);
  },
  connectError: (native: Native, error: Error & { readonly code?: string }) =>
    dialOf(native)?.fail(dialCause(error.code), error.message),
};
const dialOf = ({ data }: Native): Dial | undefined => (data instanceof Dial ? data : undefined);

const tlsDialEvents = {
  ...dialEvents,
  open: () => undefined,
  handshake: (native: Native, good: boolean, problem: Error | null) => {
    if (good) return dialOf(native)?.stands(native);
    dialOf(native)?.fail("untrusted", problem?.message ?? "Its certificate is not good");
    native.terminate();
  },
};

async function dial(options: DialOptions, accept: (socket: ByteSocket) => void): Promise<Dialled> {
  const { hostname, port, tls, timeoutMs } = options;
  const data = new Dial(timeoutMs, accept);
  const connecting = Bun.connect<BunByteSocket | Dial | undefined>({
    ...{ hostname, port, allowHalfOpen: true, data },
    // With nothing in it Bun would take it for none, and speak in the clear.
    ...(tls === undefined
      ? {}
      : { tls: { rejectUnauthorized: true, ...(tls.ca === undefined ? {} : { ca: tls.ca }) } }),
    socket: tls === undefined ? dialEvents : tlsDialEvents,
  });
  connecting.catch((error: Error & { readonly code?: string }) => data.fail(dialCause(error.code), error.message));
  return await data.outcome;
}
