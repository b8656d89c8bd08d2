/**
 * One socket, from opening to its end: HELLO and WELCOME, heartbeats, frames in and out. It knows no session state;
 * what a frame means is the client's business.
 *
 * Owns: `ended` is called exactly once, also when the socket never says that it closed.
 * @module
 */
import { closeReason } from "../protocol/after-close.ts";
import { closeNumbers } from "../protocol/code-numbers.ts";
import type { Codec } from "../protocol/codec.ts";
import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { ChainSeq, Frame, Goaway, Hello, Welcome } from "../protocol/frame.ts";
import { subprotocolOf } from "../protocol/subprotocol.ts";
import type { ClientPorts, ClientSocket, ClientTimer } from "./ports.ts";

export type ConnectionEnd = { readonly code: number; readonly reason: string; readonly goaway?: Goaway };

export type ConnectionEvents = {
  /** Asked for when the socket is open, so that positions in it are the newest. */
  hello(): Hello;
  welcome(frame: Welcome): void;
  goaway(frame: Goaway): void;
  /** Any later frame that is not about liveness. */
  frame(frame: Frame): void;
  heads(heads: readonly ChainSeq[]): void;
  ended(end: ConnectionEnd): void;
};

export type ConnectionOptions = {
  readonly url: string;
  /** Replaced when a feature brings frames. */
  readonly wire: { readonly codec: Codec };
  readonly ports: ClientPorts;
  /** Absent: what WELCOME says. */
  readonly heartbeatMs?: number;
};

const abnormal = 1006;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #socket: ClientSocket | undefined;
  #state: "opening" | "greeting" | "open" | "ended" = "opening";
  #timer: ClientTimer | undefined;
  #goaway: Goaway | undefined;
  #heard = false;
  #pingId = 0;
  #pingAt = 0;
  #frameBytesMax: number = limits.frameBytesMax;
  /** Time of the last PING to its PONG. */
  roundTripMs: number | undefined;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    const { ports, wire, url } = options;
    this.#timer = ports.clock.after(limits.handshakeMs, () =>
      this.#fail("handshakeTimeout", `No WELCOME within ${limits.handshakeMs} ms`),
    );
    try {
      this.#socket = ports.openSocket(url, subprotocolOf(wire.codec.name), {
        open: () => this.#opened(),
        message: (data) => this.#message(data),
        close: (code, reason) => this.#end(code, reason),
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      ports.clock.soon(() => this.#end(abnormal, reason));
    }
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Frames after the end go nowhere: what must not be lost is sent again on the next connection. */
  send(frame: Frame): void {
    if (this.#state === "greeting" || this.#state === "open")
      this.#socket?.send(this.#options.wire.codec.encode(frame));
  }

  close(code: number, reason: string): void {
    if (this.#state === "ended") return;
    this.#socket?.close(code, reason);
    this.#end(code, reason);
  }

  #opened(): void {
    if (this.#state !== "opening") return;
    this.#state = "greeting";
    this.send(this.#events.hello());
  }

  #message(data: Uint8Array | string): void {
    if (this.#state !== "greeting" && this.#state !== "open") return;
    this.#heard = true;
    const decoded = this.#options.wire.codec.decode(data, { ...limits, frameBytesMax: this.#frameBytesMax });
    if (!decoded.ok && decoded.code === "unknownFrame") return; // of a feature that is not used here
    if (!decoded.ok) return this.#fail("protocolViolation", `${decoded.code} at ${decoded.at}: ${decoded.message}`);
    const { frame } = decoded;
    switch (frame.type) {
      case "welcome":
        return this.#welcomed(frame);
      case "goaway":
        this.#goaway = frame;
        return this.#events.goaway(frame);
      case "ping":
        this.send({ type: "pong", id: frame.id });
        if (frame.heads !== undefined) this.#events.heads(frame.heads);
        return;
      case "pong":
        if (frame.id === this.#pingId) this.roundTripMs = this.#options.ports.clock.now() - this.#pingAt;
        if (frame.heads !== undefined) this.#events.heads(frame.heads);
        return;
      default:
        this.#events.frame(frame);
    }
  }

  #welcomed(frame: Welcome): void {
    if (this.#state !== "greeting") return this.#fail("protocolViolation", "A second WELCOME arrived");
    this.#state = "open";
    this.#frameBytesMax = frame.frameBytesMax;
    this.#beat(this.#options.heartbeatMs ?? frame.heartbeatMs);
    this.#events.welcome(frame);
  }

  /** PING regularly, also on a busy connection: the answer's heads reveal a lost last record. */
  #beat(heartbeatMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.ports.clock.after(heartbeatMs, () => {
      this.#heard = false;
      this.#pingAt = this.#options.ports.clock.now();
      this.send({ type: "ping", id: ++this.#pingId });
      this.#timer = this.#options.ports.clock.after(limits.pongMs, () => {
        if (this.#heard) this.#beat(heartbeatMs);
        else this.#fail("heartbeatTimeout", `The gateway was silent for ${limits.pongMs} ms after a PING`);
      });
    });
  }

  #fail(cause: "handshakeTimeout" | "protocolViolation" | "heartbeatTimeout", sentence: string): void {
    this.drop(closeNumbers[cause], closeReason(cause, sentence));
  }

  /** Ended by us because the peer failed. */
  drop(code: number, reason: string): void {
    if (this.#state === "ended") return;
    this.#socket?.close(code, reason);
    // A lost socket to us, whatever we tell the peer: a dead one never confirms the close.
    this.#end(abnormal, reason);
  }

  #end(code: number, reason: string): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#timer?.cancel();
    this.#events.ended({ code, reason, ...(this.#goaway === undefined ? {} : { goaway: this.#goaway }) });
  }
}
