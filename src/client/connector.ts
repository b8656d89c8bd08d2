/**
 * Keeps a connection: opens one, and another when it ends, as reconnect.ts decides, with a fresh token each time.
 *
 * Owns: at most one connection at a time; after `stop` none.
 * @module
 */
import type { ChainSeq, Frame, Hello, Welcome } from "../protocol/frame.ts";
import type { ClientEvents, ClientStatus } from "./api.ts";
import { Connection, type ConnectionEnd, type ConnectionOptions } from "./connection.ts";
import { closeError, WeirError } from "./errors.ts";
import type { ClientTimer } from "./ports.ts";
import { afterEnding, type ReconnectOptions } from "./reconnect.ts";
import type { TokenSource } from "./token.ts";

export type ConnectorEvents = {
  hello(token: string | undefined): Hello;
  welcome(frame: Welcome): void;
  frame(frame: Frame): void;
  heads(heads: readonly ChainSeq[]): void;
  status(status: ClientStatus): void;
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

  async open(): Promise<void> {
    this.#setStatus("connecting");
    const token = await this.#options.tokens.get();
    if (this.#status === "closed") return;
    if (token instanceof WeirError) {
      this.#events.report(token);
      return this.#ended({ code: abnormal, reason: token.message });
    }
    const url = this.#options.urls[this.#losses % this.#options.urls.length] as string;
    this.#connection = new Connection(
      { ...this.#options, url },
      {
        hello: () => this.#events.hello(token),
        welcome: (frame) => {
          this.#openedAt = this.#options.ports.clock.now();
          this.#options.tokens.welcomed(frame.expiresAt, frame.time);
          this.#events.welcome(frame);
          this.#setStatus("connected");
        },
        frame: (frame) => this.#events.frame(frame),
        heads: (heads) => this.#events.heads(heads),
        ended: (end) => this.#ended(end),
      },
    );
  }

  /** Ends this connection, as if it had been lost; the code and the reason are for the peer. */
  drop(code: number, reason: string): void {
    this.#connection?.drop(code, reason);
  }

  stop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#timer?.cancel();
    this.#options.tokens.stop();
    this.#status = "closed";
    connection?.close(normalClose, "closed by the client");
    this.#events.status("closed");
  }

  #ended(end: ConnectionEnd): void {
    if (this.#status === "closed") return;
    const { ports, tokens, reconnect } = this.#options;
    this.#losses += 1;
    this.#connection = undefined;
    tokens.stop();
    if (this.#status === "connected" && ports.clock.now() - this.#openedAt >= stableMs) this.#attempt = 0;
    const { code, goaway } = end;
    const reason = goaway === undefined ? end.reason : `${goaway.cause}: ${goaway.message}`;
    const retryAfter = goaway?.retryAfterMs === undefined ? {} : { retryAfterMs: goaway.retryAfterMs };
    const afterwards = afterEnding(
      { code, attempt: this.#attempt++, freshToken: tokens.renewable, chance: ports.random.next(), ...retryAfter },
      reconnect,
    );
    if (afterwards.action === "stop") return this.#events.stopped(closeError(code, reason));
    this.#setStatus("waiting");
    this.#events.lost({ code, reason, retryInMs: afterwards.delayMs }, afterwards.dropSession ? "ended" : "kept");
    this.#timer = ports.clock.after(afterwards.delayMs, () => void this.open());
  }

  #setStatus(status: ClientStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#events.status(status);
  }
}
