/**
 * A WebSocket client for load generators: frames of one tick leave in one write, received frames are views
 * into the chunk they came in. It costs a fraction of a full client, so that the server is what is measured.
 *
 * Masks with the key 0, which RFC 6455 allows: the server unmasks as always, the generator saves its XOR.
 * @module
 */
import type { Socket } from "bun";

export type LightSocketEvents = {
  /** `data` is valid until the handler returns. May be called before `open` has resolved: so `socket` comes along. */
  message(data: Uint8Array, socket: LightSocket): void;
  /** All frames of a chunk have been given to `message`. */
  settled?(): void;
  close?(): void;
};

const op = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const encoder = new TextEncoder();

export class LightSocket {
  readonly #events: LightSocketEvents;
  #socket: Socket | undefined;
  #out = Buffer.allocUnsafe(512);
  #outLength = 0;
  #flushing = false;
  #rest: Buffer | undefined;
  #upgraded: ((failure?: Error) => void) | undefined;
  #closed = false;

  constructor(events: LightSocketEvents) {
    this.#events = events;
  }

  /** Resolves when the server has agreed to the upgrade. */
  static async open(port: number, path: string, subprotocol: string, events: LightSocketEvents): Promise<LightSocket> {
    const light = new LightSocket(events);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    light.#upgraded = (failure) => (failure === undefined ? resolve() : reject(failure));
    light.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_socket, chunk) => light.#received(chunk),
        drain: () => light.#flush(),
        close: () => light.#ended(),
        error: () => light.#ended(),
      },
    });
    light.#append(encoder.encode(handshake(port, path, subprotocol)));
    light.#flush();
    await promise;
    return light;
  }

  send(data: Uint8Array | string): void {
    if (typeof data === "string") this.#frame(op.text, encoder.encode(data));
    else this.#frame(op.binary, data);
  }

  get bufferedBytes(): number {
    return this.#outLength;
  }

  /** Ends the connection at once, as a lost network would. */
  terminate(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  #frame(opcode: number, data: Uint8Array): void {
    const length = data.byteLength;
    const header = this.#reserve(length + 14);
    const out = this.#out;
    out[header] = 0x80 | opcode;
    let at = header + 1;
    if (length < 126) out[at++] = 0x80 | length;
    else if (length < 65_536) {
      out[at++] = 0x80 | 126;
      at = out.writeUInt16BE(length, at);
    } else {
      out[at++] = 0x80 | 127;
      at = out.writeBigUInt64BE(BigInt(length), at);
    }
    at = out.writeUInt32BE(0, at);
    out.set(data, at);
    this.#outLength = at + length;
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  /** Room for `bytes` more; answers where they begin. */
  #reserve(bytes: number): number {
    const needed = this.#outLength + bytes;
    if (needed > this.#out.byteLength) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#out.byteLength * 2));
      this.#out.copy(grown, 0, 0, this.#outLength);
      this.#out = grown;
    }
    return this.#outLength;
  }

  #append(data: Uint8Array): void {
    this.#out.set(data, this.#reserve(data.byteLength));
    this.#outLength += data.byteLength;
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#outLength === 0 || this.#socket === undefined || this.#closed) return;
    const written = Math.max(0, this.#socket.write(this.#out.subarray(0, this.#outLength)));
    if (written < this.#outLength) this.#out.copyWithin(0, written, this.#outLength);
    this.#outLength -= written;
    // What is left goes out on drain; new frames must not try before.
    this.#flushing = this.#outLength > 0;
  }

  #received(chunk: Buffer): void {
    let data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    if (this.#upgraded !== undefined) {
      const end = data.indexOf("\r\n\r\n");
      if (end < 0) {
        this.#rest = data;
        return;
      }
      const status = data.toString("latin1", 0, data.indexOf("\r\n"));
      const upgraded = this.#upgraded;
      this.#upgraded = undefined;
      upgraded(status.includes(" 101 ") ? undefined : new Error(`Upgrade was answered ${status}`));
      data = data.subarray(end + 4);
    }
    const used = this.#frames(data);
    if (used < data.byteLength && !this.#closed) this.#rest = Buffer.from(data.subarray(used));
    this.#events.settled?.();
  }

  /** Gives every whole frame to its handler; answers how many bytes they took. */
  #frames(data: Buffer): number {
    let at = 0;
    while (data.byteLength - at >= 2 && !this.#closed) {
      const first = data[at] as number;
      let length = (data[at + 1] as number) & 0x7f;
      let header = 2;
      if (length === 126) {
        if (data.byteLength - at < 4) break;
        length = data.readUInt16BE(at + 2);
        header = 4;
      } else if (length === 127) {
        if (data.byteLength - at < 10) break;
        length = Number(data.readBigUInt64BE(at + 2));
        header = 10;
      }
      const end = at + header + length;
      if (end > data.byteLength) break;
      this.#take(first, data.subarray(at + header, end));
      at = end;
    }
    return at;
  }

  #take(first: number, body: Uint8Array): void {
    const opcode = first & 0x0f;
    if ((first & 0x80) === 0 || opcode === 0)
      throw new Error("Server sent a fragmented frame, which the light socket does not read");
    if (opcode === op.ping) this.#frame(op.pong, body);
    else if (opcode === op.close) this.#socket?.end();
    else if (opcode !== op.pong) this.#events.message(body, this);
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#upgraded === undefined) this.#events.close?.();
    else this.#upgraded(new Error("Connection ended before the upgrade"));
  }
}

function handshake(port: number, path: string, subprotocol: string): string {
  const offer = subprotocol === "" ? "" : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  return (
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${offer}\r\n`
  );
}
