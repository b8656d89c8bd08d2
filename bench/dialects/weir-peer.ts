/**
 * One connection of `weir.v1.msgpack`: HELLO, WELCOME, heartbeats. No SDK between the generator and the wire.
 * @module
 */
import { msgpackCodec } from "../../src/protocol/codec-msgpack.ts";
import type { Frame, Hello, Welcome } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import { LightSocket } from "../load/light-socket.ts";
import type { DialectOptions } from "./dialect.ts";

export type PeerOptions = DialectOptions & {
  /** Keep decoded frames: many subscribers of one filter are sent the same bytes. */
  readonly sharedFrames: SharedFrames | undefined;
};

export class WeirPeer {
  readonly #options: PeerOptions;
  readonly #onFrame: (frame: Frame) => void;
  #socket: LightSocket | undefined;
  #welcomed: ((welcome: Welcome) => void) | undefined;

  constructor(options: PeerOptions, onFrame: (frame: Frame) => void) {
    this.#options = options;
    this.#onFrame = onFrame;
  }

  async connect(hello: Omit<Hello, "type">): Promise<Welcome> {
    const { promise, resolve, reject } = Promise.withResolvers<Welcome>();
    this.#welcomed = resolve;
    this.#socket = await LightSocket.open(this.#options.port, "/", `weir.v1.${msgpackCodec.name}`, {
      message: (data) => this.#received(data),
      settled: this.#options.onProgress,
      close: () => {
        if (this.#welcomed === undefined) this.#options.onFailure("Gateway closed a connection");
        else reject(new Error("Gateway closed a connection before WELCOME"));
      },
    });
    this.send({ type: "hello", agent: "weir-bench", ...hello });
    return promise;
  }

  send(frame: Frame): void {
    this.#socket?.send(msgpackCodec.encode(frame));
  }

  drop(): void {
    this.#socket?.terminate();
  }

  #received(data: Uint8Array): void {
    const frame = this.#options.sharedFrames?.decode(data) ?? decode(data);
    switch (frame.type) {
      case "welcome":
        this.#welcomed?.(frame);
        this.#welcomed = undefined;
        return;
      case "ping":
        this.send({ type: "pong", id: frame.id });
        return;
      case "goaway":
      case "error":
        this.#options.onFailure(`Gateway sent ${frame.type} ${frame.code} ${frame.cause}: ${frame.message}`);
        return;
      default:
        this.#onFrame(frame);
    }
  }
}

function decode(data: Uint8Array): Frame {
  const decoded = msgpackCodec.decode(data, limits);
  if (!decoded.ok) throw new Error(`Gateway sent a frame that is ${decoded.code} at ${decoded.at}: ${decoded.message}`);
  return decoded.frame;
}

/** A frame as far back as this may come again for another subscriber. */
const sharedMax = 32;

/** Decodes equal frames once. Comparing costs a fraction of decoding, and the generator has one core for all. */
export class SharedFrames {
  readonly #known: { readonly bytes: Buffer; readonly frame: Frame }[] = [];
  #next = 0;

  decode(data: Uint8Array): Frame {
    for (const { bytes, frame } of this.#known) if (bytes.equals(data)) return frame;
    const bytes = Buffer.from(data);
    const frame = decode(bytes);
    this.#known[this.#next] = { bytes, frame };
    this.#next = (this.#next + 1) % sharedMax;
    return frame;
  }
}
