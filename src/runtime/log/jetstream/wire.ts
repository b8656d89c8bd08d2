/**
 * What a connection to NATS carries in masses: publishes and deliveries, as bytes. The client library keeps the
 * connection (dialling, TLS, authentication, heartbeats, subscriptions); writing and reading one message through it
 * costs more than everything else that is done with that message. Where its inside is not as expected, everything
 * goes through its front door.
 *
 * Owns: what is published leaves in the order of the calls; a message is read here or by the library, never by both.
 * @module
 */
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { headersOf } from "./header-block.ts";
import { type Incoming, type Receive, WireReader } from "./wire-reader.ts";

/** `header`: lines, each with its end. */
export type Outgoing = { readonly subject: string; readonly header: string; readonly payload: Uint8Array };

type Parser = { parse(bytes: Uint8Array): void; readonly state?: number };
/** What is used of the library's inside. */
type Protocol = { sendCommand(bytes: Uint8Array): void; parser: Parser };
type Inside = { readonly protocol?: Partial<Protocol> };

const betweenOperations = 0;
const outBytesMin = 65_536;
/** More than this is not gathered for one write. */
const outBytesMax = 1_048_576;
const version = "NATS/1.0\r\n";
const lineEnd = "\r\n";
const utf8BytesMax = 3;
const encoder = new TextEncoder();

const wires = new WeakMap<NatsConnection, Wire>();

/** One for each connection. */
export function wireOf(nc: NatsConnection): Wire {
  let wire = wires.get(nc);
  if (wire === undefined) {
    wire = new Wire(nc);
    wires.set(nc, wire);
  }
  return wire;
}

export class Wire {
  readonly #nc: NatsConnection;
  readonly #protocol: Protocol | undefined;
  /** By the number of the subscription, which stays when the connection is made again. */
  readonly #receivers = new Map<number, Receive>();
  #out = Buffer.allocUnsafeSlow(outBytesMin);
  #outBytes = 0;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#protocol = protocolOf(nc);
    if (this.#protocol !== undefined) readBefore(this.#protocol, this.#receivers);
  }

  /** Throws when the message is larger than the server takes, or the connection was closed for good. */
  publish({ subject, header, payload }: Outgoing, reply: string): void {
    if (this.#protocol === undefined) {
      const headers = { encode: () => encoder.encode(version + header + lineEnd) } as unknown as MsgHdrs;
      return this.#nc.publish(subject, payload, reply === "" ? { headers } : { reply, headers });
    }
    if (this.#nc.isClosed()) throw new Error("The connection to NATS is closed");
    const block = version + header + lineEnd;
    const place = reply === "" ? `HPUB ${subject} ` : `HPUB ${subject} ${reply} `;
    const max = this.#nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (block.length + payload.length > max)
      throw new Error(`A message of more than ${max} bytes is too large for NATS`);
    const bytesMax = (place.length + block.length) * utf8BytesMax + payload.length + 64;
    if (this.#outBytes + bytesMax > this.#out.length) this.#makeRoom(bytesMax);
    if (this.#outBytes === 0) queueMicrotask(() => this.#flush());
    this.#outBytes = this.#write({ place, block, payload }, block.length);
  }

  /** Answers where it ends. */
  #write(
    message: { readonly place: string; readonly block: string; readonly payload: Uint8Array },
    blockBytes: number,
  ): number {
    const { place, block, payload } = message;
    const out = this.#out;
    const text = `${place}${blockBytes} ${blockBytes + payload.length}${lineEnd}${block}`;
    let at = this.#outBytes;
    const written = out.write(text, at);
    // Not all of it is ASCII: the block has more bytes than characters.
    if (written !== text.length && blockBytes === block.length) {
      const exact = Buffer.byteLength(block);
      if (exact !== blockBytes) return this.#write(message, exact);
    }
    at += written;
    out.set(payload, at);
    at += payload.length;
    out[at++] = 13;
    out[at++] = 10;
    return at;
  }

  #makeRoom(bytes: number): void {
    this.#flush();
    if (bytes > this.#out.length) this.#out = Buffer.allocUnsafeSlow(bytes);
  }

  #flush(): void {
    if (this.#outBytes === 0) return;
    // The socket may keep it for a while: it gets a copy of its own.
    const bytes = new Uint8Array(this.#out.subarray(0, this.#outBytes));
    this.#outBytes = 0;
    if (this.#out.length > outBytesMax) this.#out = Buffer.allocUnsafeSlow(outBytesMin);
    this.#protocol?.sendCommand(bytes);
  }

  /** An exception in `receive` would leave the connection open and deaf. */
  subscribe(subject: string, receive: Receive): { unsubscribe(): void } {
    const subscription = this.#nc.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) receive(read(message));
      },
    });
    if (this.#protocol === undefined) return subscription;
    const id = subscription.getID();
    this.#receivers.set(id, receive);
    return {
      unsubscribe: () => {
        this.#receivers.delete(id);
        subscription.unsubscribe();
      },
    };
  }
}

function read(message: Msg): Incoming {
  const { subject, reply = "", data } = message;
  const numberAfter = (characters: number) => Number(subject.slice(characters));
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { subject, reply, bytes, from: 0, to: data.byteLength, headers: headersOf(message), numberAfter };
}

function protocolOf(nc: NatsConnection): Protocol | undefined {
  const { protocol } = nc as unknown as Inside;
  const isKnown = typeof protocol?.sendCommand === "function" && typeof protocol.parser?.parse === "function";
  return isKnown ? (protocol as Protocol) : undefined;
}

/** The library makes a new parser whenever it dials: each one is given only what is not received here. */
function readBefore(protocol: Protocol, receivers: ReadonlyMap<number, Receive>): void {
  const inFront = (parser: Parser): Parser => {
    const reader = new WireReader(receivers, (bytes) => parser.parse(bytes));
    return { parse: (bytes) => reader.take(bytes) };
  };
  const { parser } = protocol;
  // In the middle of an operation it has to read on by itself, until the next dial.
  let current = parser.state === betweenOperations ? inFront(parser) : parser;
  Object.defineProperty(protocol, "parser", {
    get: () => current,
    set: (next: Parser) => {
      current = inFront(next);
    },
  });
}
