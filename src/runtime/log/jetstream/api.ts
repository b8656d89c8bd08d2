/**
 * Questions to JetStream: asked again while nobody answers (a leader is being elected, the connection is away), a
 * bounded time; refusals are answers.
 * @module
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { pause } from "../../pause.ts";
import type { Clock } from "../../ports.ts";
import { UnavailableError } from "../event-log.ts";
import { HeaderBlock, headersOf } from "./header-block.ts";
import { newInbox } from "./publisher.ts";
import { wireOf } from "./wire.ts";
import type { Incoming } from "./wire-reader.ts";

/** JetStream refused; `code` is its error code. */
export class JetStreamError extends Error {
  override readonly name = "JetStreamError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export const noMessageFound = 10_037;
export const streamNotFound = 10_059;

export type Stored = {
  readonly seq: number;
  readonly subject: string;
  readonly timeMs: number;
  readonly headers: HeaderBlock | undefined;
  readonly data: Uint8Array;
};

export type BatchRequest = { readonly batch: number } & (
  | {
      readonly seq?: number;
      readonly start_time?: string;
      readonly next_by_subj: string;
      readonly max_bytes?: number;
    }
  /** The newest message of each of these subjects. */
  | { readonly multi_last: readonly string[] }
);
export type Batch = {
  readonly messages: readonly Stored[];
  /** Matching messages after these that the server which answered holds. */
  readonly pending: number;
};

const askMs = 2_000;
const askAgainMs = 100;
const patienceMs = 15_000;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

type Receive = (message: Msg) => void;

export class Api {
  readonly nc: NatsConnection;
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #waiting = new Map<string, Receive>();
  readonly #asking = new Set<Promise<unknown>>();
  /** One for each question under way: it gets no answer. */
  readonly #unanswered = new Set<() => void>();
  #token = 0;
  #closed = false;

  constructor(nc: NatsConnection, clock: Clock) {
    this.nc = nc;
    this.#clock = clock;
    const prefix = newInbox(nc);
    this.#inbox = `${prefix}.`;
    nc.subscribe(`${prefix}.*`, {
      callback: (error, message) => {
        if (error === null) this.#waiting.get(message.subject)?.(message);
      },
    });
  }

  /** Resolves when every question is answered, or given up. */
  async settled(): Promise<void> {
    while (this.#asking.size > 0) await Promise.allSettled(this.#asking);
  }

  close(): void {
    this.#closed = true;
  }

  /** What was asked before is lost with the old connection: asked again now, not when its time is over. */
  reconnected(): void {
    for (const unanswered of [...this.#unanswered]) unanswered();
  }

  #open(receive: Receive): { readonly reply: string; end(): void } {
    const reply = this.#inbox + (++this.#token).toString(36);
    this.#waiting.set(reply, receive);
    return { reply, end: () => void this.#waiting.delete(reply) };
  }

  /** An inbox of its own: what a consumer delivers there bears the subject of its stream. */
  subscribe(receive: (message: Incoming) => void): { readonly reply: string; end(): void } {
    const reply = newInbox(this.nc);
    const subscription = wireOf(this.nc).subscribe(reply, receive);
    return { reply, end: () => subscription.unsubscribe() };
  }

  /** Sends to the API subject and reads its JSON. Throws `JetStreamError` for a refusal. */
  async ask<T>(subject: string, body: unknown = {}): Promise<T> {
    return parsed<T>(
      await this.#until(subject, async () => {
        const answer = await this.#askOnce(subject, body);
        return answer === undefined || isAway(answer) ? undefined : answer;
      }),
    );
  }

  /** As `ask`, without asking again: throws `UnavailableError` when nobody answers. */
  async askOnceOnly<T>(subject: string, body: unknown): Promise<T> {
    const answer = await this.#askOnce(subject, body);
    if (answer === undefined) throw new UnavailableError(`NATS gave no answer to ${subject}`);
    return parsed<T>(answer);
  }

  /** Sends without waiting. What is lost with a connection is made good by whoever watches for the effect. */
  tell(subject: string, body: unknown = {}, reply?: string): void {
    this.#publish(subject, reply, body, () => undefined);
  }

  /** The newest message of a subject as the leader has it. */
  async last(stream: string, subject: string): Promise<Stored | undefined> {
    return this.#leader(stream, { last_by_subj: subject });
  }

  /** The first message of a subject from a seq on, as the leader has it. */
  async next(stream: string, subject: string, from: number): Promise<Stored | undefined> {
    return this.#leader(stream, { seq: from, next_by_subj: subject });
  }

  /** The message with this seq, as the leader has it. */
  async at(stream: string, seq: number): Promise<Stored | undefined> {
    return this.#leader(stream, { seq });
  }

  /** Of all messages that the stream ever had, as the leader knows. */
  async lastSeq(stream: string): Promise<number> {
    const { state } = await this.ask<{ readonly state: { readonly last_seq: number } }>(
      `$JS.API.STREAM.INFO.${stream}`,
    );
    return state.last_seq;
  }

  async #leader(stream: string, request: object): Promise<Stored | undefined> {
    try {
      const { message } = await this.ask<{ message: LeaderMessage }>(`$JS.API.STREAM.MSG.GET.${stream}`, request);
      return fromLeader(message);
    } catch (error) {
      if (error instanceof JetStreamError && error.code === noMessageFound) return undefined;
      throw error;
    }
  }

  /** Subjects of the stream that match and hold messages. */
  async subjects(stream: string, filter: string): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const body = { subjects_filter: filter, offset: found.length };
      const { state, total = 0 } = await this.ask<SubjectsInfo>(`$JS.API.STREAM.INFO.${stream}`, body);
      const subjects = Object.keys(state.subjects ?? {});
      found.push(...subjects);
      if (subjects.length === 0 || found.length >= total) return found;
    }
  }

  /** Messages in order, from any server that holds the stream: one that is behind says how far it has it. */
  batch(stream: string, request: BatchRequest): Promise<Batch> {
    return this.#until(`direct read of ${stream}`, () => this.#batchOnce(stream, request));
  }

  #askOnce(subject: string, body: unknown): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      const done = (answer: Uint8Array | undefined): void => {
        this.#unanswered.delete(unanswered);
        timer.cancel();
        inbox.end();
        resolve(answer);
      };
      const unanswered = (): void => done(undefined);
      this.#unanswered.add(unanswered);
      const inbox = this.#open((message) => done(message.data.length === 0 ? undefined : message.data));
      const timer = this.#clock.after(askMs, () => done(undefined));
      this.#publish(subject, inbox.reply, body, () => done(undefined));
    });
  }

  #batchOnce(stream: string, request: BatchRequest): Promise<Batch | undefined> {
    return new Promise((resolve) => {
      const messages: Stored[] = [];
      const done = (batch: Batch | undefined): void => {
        this.#unanswered.delete(unanswered);
        timer.cancel();
        inbox.end();
        resolve(batch);
      };
      const unanswered = (): void => done(undefined);
      this.#unanswered.add(unanswered);
      const inbox = this.#open((message) => {
        // The chunk of the socket that it came in is not kept for as long as the record.
        const headers = headersOf(message)?.copy();
        const code = headers?.code ?? 0;
        if (code === 503 || code === 408) return done(undefined);
        if (code === 404) return done({ messages, pending: 0 });
        // Each says which one was sent before it: one of them may be lost between servers.
        const before = headers?.get("Nats-Last-Sequence") ?? "";
        if (before !== "" && Number(before) !== (messages[messages.length - 1]?.seq ?? 0)) return done(undefined);
        if (message.data.length === 0 && code === 204) {
          return done({ messages, pending: Number(headers?.get("Nats-Num-Pending") ?? 0) });
        }
        // A mirror may answer in the stream's place, and be behind it.
        if (headers?.get("Nats-Stream") !== stream) return done(undefined);
        messages.push(fromDirect(headers, message.data));
        timer.cancel();
        timer = this.#clock.after(askMs, () => done(undefined));
      });
      let timer = this.#clock.after(askMs, () => done(undefined));
      this.#publish(`$JS.API.DIRECT.GET.${stream}`, inbox.reply, request, () => done(undefined));
    });
  }

  #publish(subject: string, reply: string | undefined, body: unknown, failed: () => void): void {
    try {
      this.nc.publish(subject, encoder.encode(JSON.stringify(body)), reply === undefined ? {} : { reply });
    } catch {
      failed();
    }
  }

  #until<T>(what: string, once: () => Promise<T | undefined>): Promise<T> {
    const asking = this.#askUntil(what, once).finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
    return asking;
  }

  async #askUntil<T>(what: string, once: () => Promise<T | undefined>): Promise<T> {
    const end = this.#clock.now() + patienceMs;
    for (;;) {
      const answer = await once();
      if (answer !== undefined) return answer;
      if (this.#closed) throw new UnavailableError("The log is closed");
      if (this.#clock.now() >= end) throw new UnavailableError(`NATS gave no answer to ${what} for ${patienceMs} ms`);
      await pause(this.#clock, askAgainMs);
    }
  }
}

type SubjectsInfo = { readonly total?: number; readonly state: { readonly subjects?: Record<string, number> } };
type Refused = {
  readonly error?: { readonly err_code?: number; readonly code: number; readonly description?: string };
};

function parsed<T>(answer: Uint8Array): T {
  const value = JSON.parse(decoder.decode(answer)) as T & Refused;
  if (value.error === undefined) return value;
  const { err_code, code, description } = value.error;
  throw new JetStreamError(err_code ?? code, description ?? `refused with ${code}`);
}

/** An answer too: JetStream, or the stream's leader, is not there for the moment. */
const away = 503;
/** Not for the moment, but for good: JetStream is off, for the server or for the account. */
const turnedOff = new Set([10_039, 10_076]);

function isAway(answer: Uint8Array): boolean {
  const { error } = JSON.parse(decoder.decode(answer)) as Refused;
  return error?.code === away && !turnedOff.has(error.err_code ?? 0);
}

type LeaderMessage = {
  readonly subject: string;
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
  readonly time: string;
};

function fromLeader({ subject, seq, hdrs, data, time }: LeaderMessage): Stored {
  const block = hdrs === undefined ? undefined : Buffer.from(hdrs, "base64");
  return {
    seq,
    subject,
    timeMs: Date.parse(time),
    headers: block === undefined ? undefined : new HeaderBlock(block),
    data: data === undefined ? new Uint8Array(0) : new Uint8Array(Buffer.from(data, "base64")),
  };
}

function fromDirect(headers: HeaderBlock, data: Uint8Array): Stored {
  return {
    seq: Number(headers.get("Nats-Sequence")),
    subject: headers.get("Nats-Subject"),
    timeMs: Date.parse(headers.get("Nats-Time-Stamp")),
    headers,
    data: data.slice(),
  };
}
