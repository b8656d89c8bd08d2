/**
 * The leader of one stream: takes publishes in order, has the others agree, stores, answers. A single server agrees
 * with itself at once. When the leader is lost, what was not agreed is stored up to some point and nobody is told.
 * @module
 */
import type { SimClock } from "../clock.ts";
import type { Chance } from "../random.ts";
import type { Published, SimConnection } from "./connection.ts";
import { json, noBytes, status } from "./message.ts";
import { type Refusal, refuse, type SimStream } from "./stream.ts";

type Reply = (body: unknown) => void;
type Proposal = { readonly messages: readonly Published[]; readonly batch: string | undefined; readonly reply: Reply };
type OpenBatch = { readonly parts: Published[]; touchedMs: number };

export type LeaderOptions = {
  /** Other servers have to agree. */
  readonly replicated: boolean;
  /** How long that takes. */
  readonly agreeMs: () => number;
  /** Too much is under way for this one. */
  readonly overloaded: () => boolean;
};

const batchSilenceMs = 10_000;
const partsMax = 1_000;

export class SimLeader {
  readonly stream: SimStream;
  readonly #clock: SimClock;
  readonly #chance: Chance;
  readonly #options: LeaderOptions;
  #queue: Proposal[] = [];
  readonly #batches = new Map<string, OpenBatch>();
  /** Counts leaders. */
  #term = 1;
  #agreedMs = 0;
  /** Nobody leads before this. */
  #electedMs = 0;
  /** That nobody leads is noticed only after a while: until then there is silence. */
  #noticedMs = 0;

  constructor(
    stream: SimStream,
    parts: { readonly clock: SimClock; readonly chance: Chance; readonly options: LeaderOptions },
  ) {
    this.stream = stream;
    this.#clock = parts.clock;
    this.#chance = parts.chance;
    this.#options = parts.options;
  }

  /** silent: nobody answers · leaderless: the others say that nobody leads. */
  get state(): "leads" | "silent" | "leaderless" {
    const now = this.#clock.nowMs;
    if (now >= this.#electedMs) return "leads";
    return now < this.#noticedMs ? "silent" : "leaderless";
  }

  /** The leader is gone; another one is elected after so long. */
  lose(forMs: number): void {
    this.#term++;
    const kept = this.#chance.int(0, this.#queue.length);
    for (const { messages } of this.#queue.slice(0, kept)) for (const message of messages) this.stream.store(message);
    this.#queue = [];
    this.#batches.clear();
    this.#electedMs = this.#clock.nowMs + forMs;
    this.#noticedMs = this.#clock.nowMs + forMs * this.#chance.next();
  }

  elect(): void {
    this.#electedMs = 0;
  }

  /** Its only server was started again: what is stored is still there. */
  restart(): void {
    this.#batches.clear();
    this.stream.restart();
  }

  publish(connection: SimConnection, message: Published): void {
    const { reply } = message;
    const answer: Reply = (body) => {
      if (reply !== undefined)
        connection.deliver({ to: reply, subject: reply, data: body === undefined ? noBytes : json(body) });
    };
    if (this.state === "silent") return;
    if (this.state === "leaderless") {
      if (reply !== undefined) connection.deliver(status(reply, 503));
      return;
    }
    const batch = message.fields.get("Nats-Batch-Id");
    if (batch !== undefined) return this.#part(batch, message, answer);
    if (this.#options.overloaded()) return answer(this.#refused(refuse(10_167, "too many requests", 429)));
    this.#propose({ messages: [message], batch: undefined, reply: answer });
  }

  #part(id: string, message: Published, answer: Reply): void {
    const sequence = Number(message.fields.get("Nats-Batch-Sequence"));
    const now = this.#clock.nowMs;
    if (sequence === 1) {
      if (this.#options.overloaded())
        return answer(this.#refused(refuse(10_210, "atomic publish too many inflight", 429)));
      this.#batches.set(id, { parts: [], touchedMs: now });
    }
    const open = this.#batches.get(id);
    const isNext = open !== undefined && open.parts.length === sequence - 1 && open.touchedMs > now - batchSilenceMs;
    if (!isNext || sequence > partsMax) {
      this.#batches.delete(id);
      return answer(this.#refused(refuse(10_176, "atomic publish batch is incomplete")));
    }
    open.parts.push(message);
    open.touchedMs = now;
    if (message.fields.get("Nats-Batch-Commit") !== "1") return answer(undefined);
    this.#batches.delete(id);
    this.#propose({ messages: open.parts, batch: id, reply: answer });
  }

  #propose(proposal: Proposal): void {
    const error = this.#judge(proposal);
    if (error !== undefined) return proposal.reply(error);
    if (!this.#options.replicated) return this.#commit(proposal);
    this.#queue.push(proposal);
    const now = this.#clock.nowMs;
    this.#agreedMs = Math.max(this.#agreedMs, now + this.#options.agreeMs());
    const term = this.#term;
    this.#clock.after(this.#agreedMs - now, () => {
      if (term !== this.#term) return;
      this.#queue.shift();
      this.#commit(proposal);
    });
  }

  /** What is answered at once, if it is not stored. */
  #judge({ messages, batch }: Proposal): unknown {
    const underWay = this.#queue.flatMap((proposal) => proposal.messages);
    const ids = new Set(underWay.map(({ fields }) => fields.get("Nats-Msg-Id")));
    const own = new Set<string>();
    for (const message of messages) {
      const id = message.fields.get("Nats-Msg-Id");
      const twice = batch !== undefined && id !== undefined && own.has(id);
      if (twice) return this.#refused(refuse(10_201, "atomic publish batch contains duplicate message id"));
      if (id !== undefined && ids.has(id))
        return this.#refused(refuse(10_158, "duplicate message id is in process", 409));
      if (id !== undefined) own.add(id);
      const checks = message.fields.has("Nats-Expected-Last-Subject-Sequence");
      if (checks && underWay.some(({ subject }) => subject === message.subject))
        return this.#refused(refuse(10_164, "wrong last sequence"));
      const verdict = this.stream.judge(message, batch !== undefined);
      if (verdict.kind === "refuse") return this.#refused(verdict.error);
      if (verdict.kind === "duplicate") return { stream: this.stream.options.name, seq: verdict.seq, duplicate: true };
    }
    return undefined;
  }

  #commit({ messages, batch, reply }: Proposal): void {
    let seq = 0;
    for (const message of messages) seq = this.stream.store(message).seq;
    const stream = this.stream.options.name;
    reply(batch === undefined ? { stream, seq } : { stream, seq, batch, count: messages.length });
  }

  #refused(error: Refusal): unknown {
    return { error, stream: this.stream.options.name, seq: 0 };
  }
}
