/**
 * Keeps a connection: opens one, and another when it ends, as reconnect.ts decides, with a fresh token each time. Where
 * the gateway sends it elsewhere, it opens the other socket first and leaves this one when that one is open.
 *
 * Owns: at most one connection that has said HELLO and is listened to; after `stop` none.
 * @module
 */
import { closeNumbers } from "../protocol/code-numbers.ts";
import type { ChainSeq, Frame, Goaway, Hello, Welcome } from "../protocol/frame.ts";
import type { ClientEvents, ClientStatus } from "./api.ts";
import { Connection, type ConnectionEnd, type ConnectionOptions } from "./connection.ts";
import { closeError, WeirError } from "./errors.ts";
import type { ClientTimer } from "./ports.ts";
import { afterEnding, type ReconnectOptions } from "./reconnect.ts";
import type { TokenSource } from "./token.ts";

export type ConnectorEvents = {
  hello(asks: Pick<Hello, "token" | "ticket">): Hello;
  welcome(frame: Welcome): void;
  frame(frame: Frame): void;
  heads(heads: readonly ChainSeq[]): void;
  status(status: ClientStatus): void;
  moving(event: ClientEvents["moving"]): void;
  /** The connection is left for another one: the last chance to send on it. */
  leaving(): void;
  /** A connection ended, or could not be made; another one follows. */
  lost(event: ClientEvents["disconnected"], session: "kept" | "ended"): void;
  /** No other one follows. */
  stopped(error: WeirError): void;
  report(error: WeirError): void;
};
export type ConnectorOptions = Omit<ConnectionOptions, "url"> & {
  /** Gateways that share a log: the next one is tried after each loss. */
  readonly urls: readonly string[];
  readonly reconnect: ReconnectOptions;
  readonly tokens: TokenSource;
};

/** A connection that lasted this long was a good one: the next failure is a first failure again. */
const stableMs = 5_000;
const normalClose = 1000;
const abnormal = 1006;

export class Connector {
  readonly #options: ConnectorOptions;
  readonly #events: ConnectorEvents;
  #status: ClientStatus = "connecting";
  #connection: Connection | undefined;
  /** Where we are sent: its socket is not open yet, and the connection that we have goes on. */
  #next: Connection | undefined;
  /** A slot that was given to us. */
  #slot: ClientTimer | undefined;
  #slotAt = 0;
  #timer: ClientTimer | undefined;
  #attempt = 0;
  #losses = 0;
  #openedAt = 0;

  constructor(options: ConnectorOptions, events: ConnectorEvents) {
    this.#options = options;
    this.#events = events;
  }

  get status(): ClientStatus {
    return this.#status;
  }
  get connected(): boolean {
    return this.#connection?.isOpen ?? false;
  }
  get roundTripMs(): number | undefined {
    return this.#connection?.roundTripMs;
  }

  send(frame: Frame): void {
    this.#connection?.send(frame);
  }

  /** `to`: a gateway named another one. */
  async open(to?: Goaway): Promise<void> {
    const held = this.#connection;
    if (held === undefined) this.#setStatus("connecting");
    const token = await this.#options.tokens.get();
    if (this.#status === "closed" || held !== this.#connection) return;
    if (token instanceof WeirError) {
      this.#events.report(token);
      return held === undefined ? this.#ended({ code: abnormal, reason: token.message }, undefined) : undefined;
    }
    const url = to?.url ?? (this.#options.urls[this.#losses % this.#options.urls.length] as string);
    const connection = new Connection(
      { ...this.#options, url },
      {
        hello: () => {
          this.#changeTo(connection);
          const ticket = to?.ticket === undefined ? {} : { ticket: to.ticket };
          return this.#events.hello({ ...(token === undefined ? {} : { token }), ...ticket });
        },
        welcome: (frame) => {
          this.#openedAt = this.#options.ports.clock.now();
          this.#options.tokens.welcomed(frame.expiresAt, frame.time);
          this.#events.welcome(frame);
          this.#setStatus("connected");
        },
        goaway: (frame) => this.#sentElsewhere(frame),
        frame: (frame) => this.#events.frame(frame),
        heads: (heads) => this.#events.heads(heads),
        ended: (end) => this.#ended(end, connection),
      },
    );
    if (held === undefined) this.#connection = connection;
    else this.#next = connection;
  }

  /** In its slot, and not before: so many others are sent there too. */
  #sentElsewhere(goaway: Goaway): void {
    if (goaway.ticket === undefined) return;
    const inMs = goaway.retryAfterMs ?? 0;
    const { clock } = this.#options.ports;
    this.#slotAt = clock.now() + inMs;
    if (this.#status !== "connected") return; // It ends now, and goes on there.
    this.#events.moving({ inMs });
    this.#slot?.cancel();
    this.#slot = clock.after(inMs, () => void this.open(goaway));
  }

  /** The other socket is open: from here on nothing more is heard from the connection that we had. */
  #changeTo(next: Connection): void {
    const left = this.#connection;
    if (left === next || left === undefined) return;
    this.#events.leaving();
    this.#connection = next;
    this.#next = undefined;
    left.close(normalClose, "moved");
    this.#setStatus("connecting");
    this.#events.lost({ code: closeNumbers.goingAway, reason: "moved", retryInMs: 0 }, "kept");
  }

  /** Ends this connection, as if it had been lost; the code and the reason are for the peer. */
  drop(code: number, reason: string): void {
    this.#connection?.drop(code, reason);
  }

  stop(): void {
    const connections = [this.#connection, this.#next];
    this.#connection = this.#next = undefined;
    this.#timer?.cancel();
    this.#slot?.cancel();
    this.#options.tokens.stop();
    this.#status = "closed";
    for (const connection of connections) connection?.close(normalClose, "closed by the client");
    this.#events.status("closed");
  }

  #ended(end: ConnectionEnd, connection: Connection | undefined): void {
    if (this.#next === connection) this.#next = undefined;
    if (this.#status === "closed" || connection !== this.#connection) return;
    const { ports, tokens, reconnect } = this.#options;
    const now = ports.clock.now();
    const next = this.#next;
    this.#losses += 1;
    this.#connection = next;
    this.#next = undefined;
    this.#slot?.cancel();
    tokens.stop();
    if (this.#status === "connected" && now - this.#openedAt >= stableMs) this.#attempt = 0;
    const { code, goaway } = end;
    const reason = goaway === undefined ? end.reason : `${goaway.cause}: ${goaway.message}`;
    // Slots are spread already.
    const sentTo = goaway?.ticket === undefined ? undefined : goaway;
    const retryAfterMs = sentTo === undefined ? (goaway?.retryAfterMs ?? 0) : Math.max(0, this.#slotAt - now);
    const chance = sentTo === undefined ? ports.random.next() : 0;
    const afterwards = afterEnding(
      { code, attempt: this.#attempt++, freshToken: tokens.renewable, chance, retryAfterMs },
      reconnect,
    );
    if (afterwards.action === "stop") return this.#events.stopped(closeError(code, reason));
    this.#setStatus(next === undefined ? "waiting" : "connecting");
    const retryInMs = next === undefined ? afterwards.delayMs : 0;
    this.#events.lost({ code, reason, retryInMs }, afterwards.dropSession ? "ended" : "kept");
    if (next === undefined) this.#timer = ports.clock.after(retryInMs, () => void this.open(sentTo));
  }

  #setStatus(status: ClientStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#events.status(status);
  }
}
