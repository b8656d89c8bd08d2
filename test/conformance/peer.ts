/**
 * A raw peer: one WebSocket, one codec, one queue of frames. It knows the wire and nothing of sessions, so
 * that the suite judges a gateway by frames alone. Every wait ends with what was asked for, or at a deadline
 * with an error that says what came instead.
 * @module
 */
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { type CloseName, closeCodes, closeName } from "../../src/protocol/close-code.ts";
import type { Codec } from "../../src/protocol/codec.ts";
import { type ErrorName, errorCodes, errorName } from "../../src/protocol/error-code.ts";
import type { ErrorFrame, Frame, FrameType, Goaway } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";

export type FrameOf<Type extends FrameType> = Extract<Frame, { type: Type }>;
export type Closed = { readonly code: number; readonly reason: string };

/** A fact about the gateway that does not hold. */
export class CaseFailure extends Error {
  override readonly name = "CaseFailure";
}
/** The gateway does not offer what the case is about. */
export class CaseSkipped extends Error {
  override readonly name = "CaseSkipped";
}

export function check(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CaseFailure(message);
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [show(actual), show(expected)];
  check(a === e, `${what}: expected ${e}, got ${a}`);
}

/** One line for people: payloads as text, long lists cut. */
export function show(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) =>
    item instanceof Uint8Array
      ? `bytes:${item.byteLength > 40 ? item.byteLength : new TextDecoder().decode(item)}`
      : item,
  );
  return text === undefined ? "nothing" : text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

type Waiter = {
  readonly wants: (frame: Frame) => boolean;
  readonly take: (frame: Frame) => void;
  readonly fail: (why: Error) => void;
};

export type PeerOptions = {
  readonly url: string;
  readonly codec: Codec;
  /** How long one wait may take before the case fails. */
  readonly waitMs: number;
};

/** Types of frames that answer a `ref`. */
type Answer = FeatureAnswer | "subscribed" | "unsubscribed" | "page";
type FeatureAnswer = "served" | "unserved" | "response" | "tracked" | "presences";

export class Peer {
  readonly codec: Codec;
  readonly #socket: WebSocket;
  readonly #waitMs: number;
  readonly #queue: Frame[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #opened: Promise<void>;
  readonly #closed: Promise<Closed>;
  #end: Closed | undefined;
  #badFrame: string | undefined;

  constructor(options: PeerOptions) {
    this.codec = options.codec;
    this.#waitMs = options.waitMs;
    this.#socket = new WebSocket(options.url, [`weir.v1.${options.codec.name}`]);
    this.#socket.binaryType = "arraybuffer";
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.addEventListener("open", () => resolve());
      this.#socket.addEventListener("error", () =>
        reject(new CaseFailure(`The socket to ${options.url} did not open`)),
      );
    });
    this.#opened.catch(() => undefined);
    this.#closed = new Promise((resolve) => {
      this.#socket.addEventListener("close", (event) => {
        this.#end = { code: event.code, reason: event.reason };
        for (const waiter of this.#waiters) waiter.fail(new CaseFailure(`The socket closed: ${show(this.#end)}`));
        resolve(this.#end);
      });
    });
    this.#socket.addEventListener("message", (event) => this.#receive(event.data as ArrayBuffer | string));
  }

  opened(): Promise<void> {
    return this.#within(this.#opened, "open socket", this.#waitMs);
  }

  get subprotocol(): string {
    return this.#socket.protocol;
  }

  #receive(data: ArrayBuffer | string): void {
    const decoded = this.codec.decode(typeof data === "string" ? data : new Uint8Array(data), limits);
    if (!decoded.ok) {
      this.#badFrame = `The gateway sent a frame that does not decode: ${decoded.code} at ${decoded.at}: ${decoded.message}`;
      for (const waiter of this.#waiters) waiter.fail(new CaseFailure(this.#badFrame));
      return;
    }
    const { frame } = decoded;
    if (frame.type === "ping") this.send({ type: "pong", id: frame.id });
    for (const waiter of this.#waiters) {
      if (!waiter.wants(frame)) continue;
      this.#waiters.delete(waiter); // its promise settles later than the next frame may come
      return waiter.take(frame);
    }
    this.#queue.push(frame);
  }

  send(frame: Frame): void {
    this.sendRaw(this.codec.encode(frame));
  }

  /** Anything at all, as one WebSocket message. */
  sendRaw(data: Uint8Array | string): void {
    this.#socket.send(data as Uint8Array<ArrayBuffer> | string);
  }

  /** The oldest unread frame of this type for which `wants` holds; others stay in the queue, in order. */
  expect<Type extends FrameType>(
    type: Type,
    wants: (frame: FrameOf<Type>) => boolean = () => true,
    waitMs: number = this.#waitMs,
  ): Promise<FrameOf<Type>> {
    const fits = (frame: Frame): boolean => frame.type === type && wants(frame as FrameOf<Type>);
    return this.#next(fits, `${type} frame`, waitMs) as Promise<FrameOf<Type>>;
  }

  /** The oldest unread frame, whatever it is. */
  next(): Promise<Frame> {
    return this.#next(() => true, "frame", this.#waitMs);
  }

  /** The answer to a frame with this `ref`: one of the type, or the case fails with the ERROR that came instead. */
  async answer<Type extends Answer>(type: Type, ref: number): Promise<FrameOf<Type>> {
    const fits = (frame: Frame): boolean => (frame.type === type || frame.type === "error") && frame.ref === ref;
    const frame = await this.#next(fits, `${type} frame for ref ${ref}`, this.#waitMs);
    check(frame.type === type, `Expected ${type}, got ${show(frame)}`);
    return frame as FrameOf<Type>;
  }

  #next(fits: (frame: Frame) => boolean, what: string, waitMs: number): Promise<Frame> {
    const index = this.#queue.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.#queue.splice(index, 1)[0] as Frame);
    if (this.#badFrame !== undefined) return Promise.reject(new CaseFailure(this.#badFrame));
    if (this.#end !== undefined) {
      return Promise.reject(
        new CaseFailure(`No ${what} before the socket closed: ${show(this.#end)}; unread: ${this.#unread()}`),
      );
    }
    let waiter: Waiter | undefined;
    const found = new Promise<Frame>((resolve, reject) => {
      waiter = { wants: fits, take: resolve, fail: reject };
      this.#waiters.add(waiter);
    });
    return this.#within(found, what, waitMs).finally(() => waiter && this.#waiters.delete(waiter));
  }

  /** Frames that came and were not asked for so far, of one type. */
  unread<Type extends FrameType>(type: Type): FrameOf<Type>[] {
    return this.#queue.filter((frame) => frame.type === type) as FrameOf<Type>[];
  }

  /** ERROR with this name, complete as the protocol says: code, cause, message, retryable. */
  async refusal(name: ErrorName, wants: (frame: ErrorFrame) => boolean = () => true): Promise<ErrorFrame> {
    const frame = await this.expect("error", wants);
    equal(errorName(frame.code) ?? frame.code, name, `ERROR (${frame.message})`);
    check(frame.cause.length > 0, `ERROR ${name} has an empty cause`);
    check(frame.message.length > 0, `ERROR ${name} has an empty message`);
    equal(frame.retryable, errorCodes[name].retryable, `ERROR ${name}: retryable`);
    return frame;
  }

  /** How the connection ends: GOAWAY, then a close with the same code, whose reason begins with the cause. */
  async ended(name: CloseName, waitMs: number = this.#waitMs): Promise<Goaway> {
    const closed = await this.closed(waitMs);
    equal(closeName(closed.code) ?? closed.code, name, `close code (reason "${closed.reason}")`);
    const goaway = this.unread("goaway").at(-1);
    check(goaway !== undefined, `No GOAWAY before close ${closed.code} "${closed.reason}"`);
    equal(goaway.code, closeCodes[name].code, "GOAWAY.code");
    check(goaway.cause.length > 0 && goaway.message.length > 0, `GOAWAY without cause or message: ${show(goaway)}`);
    check(
      closed.reason.startsWith(`${goaway.cause}: `),
      `close reason "${closed.reason}" does not begin with "${goaway.cause}: "`,
    );
    return goaway;
  }

  closed(waitMs: number = this.#waitMs): Promise<Closed> {
    return this.#within(this.#closed, "close of the socket", waitMs);
  }

  /** Answered once the gateway has handled all that was sent before it. */
  async fence(): Promise<FrameOf<"pong">> {
    const id = Math.floor(Math.random() * 0x7fff_ffff) + 1;
    this.send({ type: "ping", id });
    return await this.expect("pong", (frame) => frame.id === id);
  }

  close(): void {
    this.#socket.close(1000);
  }

  #unread(): string {
    return this.#queue.length === 0 ? "nothing" : show(this.#queue.slice(0, 8));
  }

  #within<T>(wanted: Promise<T>, what: string, waitMs: number): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new CaseFailure(`No ${what} within ${waitMs} ms; unread: ${this.#unread()}`)),
        waitMs,
      );
    });
    return Promise.race([wanted, deadline]).finally(() => clearTimeout(timer));
  }
}

/** HTTP status of an upgrade, seen below the WebSocket client, which hides it. */
export function upgradeStatus(url: string, subprotocols: readonly string[], waitMs: number): Promise<number> {
  const { protocol, hostname, port, pathname } = new URL(url);
  const secure = protocol === "wss:";
  const at = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port === "" ? (secure ? 443 : 80) : port) };
  return new Promise((resolve, reject) => {
    const socket = secure ? connectTls({ ...at, servername: hostname }) : connectTcp(at);
    socket.setTimeout(waitMs, () => socket.destroy(new CaseFailure(`No answer to the upgrade within ${waitMs} ms`)));
    socket.on("error", reject);
    socket.once("data", (data: Buffer) => {
      socket.destroy();
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(data.toString("latin1"))?.[1] ?? 0));
    });
    const offer = subprotocols.length === 0 ? "" : `Sec-WebSocket-Protocol: ${subprotocols.join(", ")}\r\n`;
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${at.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${offer}\r\n`,
    );
  });
}
