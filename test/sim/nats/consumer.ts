/**
 * A pull consumer in memory on one simulated server: delivers what that server has of the stream, beats while a pull
 * waits, and is gone without a word when its server is.
 * @module
 */
import type { SimClock } from "../clock.ts";
import type { SimConnection } from "./connection.ts";
import { type Message, noBytes, SimHeaders, status } from "./message.ts";
import type { SimStream } from "./stream.ts";

export type ConsumerConfig = {
  readonly filter_subject?: string;
  readonly filter_subjects?: readonly string[];
  readonly deliver_policy: "by_start_sequence" | "last_per_subject";
  readonly opt_start_seq?: number;
  readonly headers_only?: boolean;
};
export type PullRequest = { readonly batch: number; readonly expires: number; readonly idle_heartbeat: number };
type Pull = {
  readonly connection: SimConnection;
  /** Of the connection when it asked. */
  readonly generation: number;
  readonly inbox: string;
  readonly endsAtMs: number;
  readonly beatMs: number;
  left: number;
};

/** Whether the consumer's server has a message yet; if not, when to look again. */
export type Has = (message: Message) => true | { readonly againMs: number };

const nsPerMs = 1e6;

export class SimConsumer {
  readonly name: string;
  readonly stream: SimStream;
  /** Server that it lives on. */
  readonly server: number;
  alive = true;
  #beats = true;
  readonly #clock: SimClock;
  readonly #has: Has;
  readonly #filters: readonly string[];
  readonly #headersOnly: boolean;
  /** Of those up to `until`, only these. */
  readonly #only: { readonly until: number; readonly seqs: ReadonlySet<number> };
  readonly #pulls: Pull[] = [];
  #at: number;
  #delivered = 0;
  #spokeMs = 0;
  #ticking = false;
  #waiting = false;

  constructor(
    at: { readonly name: string; readonly stream: SimStream; readonly server: number },
    config: ConsumerConfig,
    parts: { readonly clock: SimClock; readonly has: Has },
  ) {
    this.name = at.name;
    this.stream = at.stream;
    this.server = at.server;
    this.#clock = parts.clock;
    this.#has = parts.has;
    this.#filters = config.filter_subjects ?? [config.filter_subject ?? ">"];
    this.#headersOnly = config.headers_only === true;
    this.#at = config.opt_start_seq ?? 1;
    const newest = new Map<string, number>();
    if (config.deliver_policy === "last_per_subject")
      for (const { subject, seq } of at.stream.from(1, this.#filters)) newest.set(subject, seq);
    this.#only = { until: newest.size === 0 ? 0 : at.stream.lastSeq, seqs: new Set(newest.values()) };
  }

  die(goesOnBeating = false): void {
    this.alive = false;
    this.#beats = goesOnBeating;
  }

  pull(connection: SimConnection, inbox: string, { batch, expires, idle_heartbeat }: PullRequest): void {
    const endsAtMs = this.#clock.nowMs + expires / nsPerMs;
    const { generation } = connection;
    this.#pulls.push({ connection, generation, inbox, endsAtMs, beatMs: idle_heartbeat / nsPerMs, left: batch });
    this.#spokeMs = this.#clock.nowMs;
    this.pump();
    this.#tick();
  }

  /** Delivers what can be delivered. */
  pump(): void {
    if (!this.alive || this.#current() === undefined) return;
    for (const message of this.stream.from(this.#at, this.#filters)) {
      const pull = this.#current();
      if (pull === undefined) return;
      const has = this.#has(message);
      if (has !== true) return this.#pumpAgain(has.againMs);
      this.#at = message.seq + 1;
      if (message.seq <= this.#only.until && !this.#only.seqs.has(message.seq)) continue;
      this.#deliver(pull, message);
    }
  }

  #pumpAgain(delayMs: number): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#clock.after(delayMs, () => {
      this.#waiting = false;
      this.pump();
    });
  }

  #deliver(pull: Pull, { seq, subject, fields, data, atMs }: Message): void {
    this.#delivered++;
    this.#spokeMs = this.#clock.nowMs;
    if (--pull.left === 0) this.#pulls.shift();
    const shown = this.#headersOnly ? new Map(fields).set("Nats-Msg-Size", String(data.byteLength)) : fields;
    const ns = `${Math.floor(atMs)}000000`;
    pull.connection.deliver({
      to: pull.inbox,
      subject,
      reply: `$JS.ACK.${this.stream.options.name}.${this.name}.1.${seq}.${this.#delivered}.${ns}.0`,
      ...(shown.size === 0 ? {} : { headers: new SimHeaders(shown) }),
      data: this.#headersOnly ? noBytes : data,
    });
  }

  /** The pull that is served now; those of connections that are gone are forgotten. */
  #current(): Pull | undefined {
    for (;;) {
      const pull = this.#pulls[0];
      if (pull === undefined || pull.connection.generation === pull.generation) return pull;
      this.#pulls.shift();
    }
  }

  #numbers(): ReadonlyMap<string, string> {
    return new Map([
      ["Nats-Last-Consumer", String(this.#delivered)],
      ["Nats-Last-Stream", String(this.#at - 1)],
    ]);
  }

  #tick(): void {
    const pull = this.#current();
    if (this.#ticking || pull === undefined || !this.#beats) return;
    this.#ticking = true;
    this.#clock.after(pull.beatMs, () => {
      this.#ticking = false;
      if (!this.#beats) return;
      const now = this.#clock.nowMs;
      const current = this.#current();
      if (current !== undefined && this.alive && now >= current.endsAtMs) {
        this.#pulls.shift();
        current.connection.deliver(status(current.inbox, 408));
      } else if (current !== undefined && now - this.#spokeMs >= pull.beatMs) {
        current.connection.deliver(status(current.inbox, 100, this.#numbers()));
      }
      this.#tick();
    });
  }
}
