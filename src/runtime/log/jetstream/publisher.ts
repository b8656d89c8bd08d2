/**
 * Publishes to streams: one inbox, answers read as bytes, identical bytes again when there is no answer.
 *
 * Owns: a message is answered stored, refused, or `unavailable` (nobody knows) after a bounded time; the messages
 * under way are bounded. Nothing is sent while the connection is away: the client library would drop it unseen.
 * @module
 */
import { createInbox, type NatsConnection } from "@nats-io/transport-node";
import type { EpochMs } from "../../../protocol/ids.ts";
import type { Clock, Timer } from "../../ports.ts";
import type { LogFailure } from "../event-log.ts";
import { type Fields, header, headerLines } from "./headers.ts";
import { type Wire, wireOf } from "./wire.ts";
import type { Incoming } from "./wire-reader.ts";

export type Message = { readonly subject: string; readonly fields: Fields; readonly payload: Uint8Array };

export type Published =
  | { readonly ok: true; readonly seq: number; readonly duplicate: boolean }
  | { readonly ok: false; readonly code: number; readonly message: string }
  /** May have been stored, may still be. */
  | { readonly ok: false; readonly code: "unavailable"; readonly message: string };

/** Error codes of JetStream that somebody decides on. */
export const refusal = {
  wrongLastSeq: 10_071,
  wrongLastSeqFence: 10_164,
  idInProcess: 10_158,
  tooManyRequests: 10_167,
  batchIncomplete: 10_176,
  batchDuplicate: 10_201,
  noSpace: 10_077,
} as const;

/** Nothing was stored, and the same message may be sent again. */
const transient = new Set<number>([
  refusal.wrongLastSeqFence,
  refusal.idInProcess,
  refusal.tooManyRequests,
  refusal.batchIncomplete,
  10_008,
  10_174,
]);

export type PublisherOptions = {
  /** Under way; what is more waits for them. */
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Publishes that may wait; more are refused at once. */
  readonly waitingMax: number;
  /** Silence after which a message is sent again. */
  readonly resendMs: number;
  /** After this long without an answer: `unavailable`. */
  readonly deadlineMs: number;
};

export const publisherDefaults: PublisherOptions = {
  messagesMax: 4_096,
  bytesMax: 64 * 1_048_576,
  waitingMax: 65_536,
  resendMs: 2_000,
  deadlineMs: 30_000,
};

/** What became of one of several messages. */
export type Settled = (result: Published, index: number) => void;

type Pending = {
  readonly messages: readonly Message[];
  readonly line: string;
  readonly bytes: number;
  readonly deadline: EpochMs;
  readonly index: number;
  readonly settled: Settled;
  sendAt: EpochMs;
  tries: number;
};

const sweepMs = 50;
const retryMs = 20;
const retryMsMax = 500;
const decoder = new TextDecoder();

export class Publisher {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #options: PublisherOptions;
  readonly #inbox: string;
  readonly #pending = new Map<number, Pending>();
  /** Refused for now: sent again sooner than by silence. */
  readonly #refused = new Set<Pending>();
  /** Waits for room. */
  #waiting: Pending[] = [];
  #messages = 0;
  #bytes = 0;
  #token = 0;
  #batches = 0;
  #beginning = false;
  #connected = true;
  #closed = false;
  #sweep: Timer | undefined;

  constructor(nc: NatsConnection, clock: Clock, options: PublisherOptions) {
    this.#wire = wireOf(nc);
    this.#clock = clock;
    this.#options = options;
    const prefix = newInbox(nc);
    this.#inbox = `${prefix}.`;
    this.#wire.subscribe(`${prefix}.*`, (message) => this.#answered(message));
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * One message, or several that are stored together or not at all (an atomic batch). Of one `line` nothing is sent
   * any more once something before it was given up: it would be stored without that.
   */
  publish(messages: readonly [Message, ...Message[]], line = ""): Promise<Published> {
    return new Promise((resolve) => {
      this.#accept({ messages, line, index: 0, settled: resolve }, this.#clock.now());
      this.#sweepSoon();
    });
  }

  /** As `publish`, each message by itself, one after the other without waiting. `settled` may be called at once. */
  publishEach(messages: readonly Message[], line: string, settled: Settled): void {
    const now = this.#clock.now();
    for (let index = 0; index < messages.length; index++)
      this.#accept({ messages: [messages[index] as Message], line, index, settled }, now);
    this.#sweepSoon();
  }

  #accept({ messages, line, index, settled }: Pick<Pending, "messages" | "line" | "index" | "settled">, now: EpochMs) {
    if (this.#closed) return settled(unavailable("the log is closed"), index);
    if (this.#waiting.length >= this.#options.waitingMax)
      return settled(unavailable(`${this.#waiting.length} publishes wait for NATS already`), index);
    let bytes = 0;
    for (const { payload, subject } of messages) bytes += payload.byteLength + subject.length + 128;
    const deadline = now + this.#options.deadlineMs;
    const pending = { messages, line, bytes, deadline, index, settled, sendAt: now, tries: 0 };
    if (this.#waiting.length > 0 || !this.#fits(pending)) this.#waiting.push(pending);
    else this.#begin(pending, now);
  }

  /** One may always be under way, however large. */
  #fits({ messages, bytes }: Pending): boolean {
    if (this.#pending.size === 0) return true;
    return (
      this.#messages + messages.length <= this.#options.messagesMax && this.#bytes + bytes <= this.#options.bytesMax
    );
  }

  #begin(pending: Pending, now: EpochMs): void {
    const token = ++this.#token;
    this.#pending.set(token, pending);
    this.#messages += pending.messages.length;
    this.#bytes += pending.bytes;
    if (this.#connected) this.#send(token, pending, now);
  }

  #beginWaiting(): void {
    let begun = 0;
    const now = this.#clock.now();
    for (const pending of this.#waiting) {
      if (!this.#fits(pending)) break;
      begun++;
      this.#begin(pending, now);
    }
    if (begun > 0) this.#waiting = this.#waiting.slice(begun);
  }

  disconnected(): void {
    this.#connected = false;
  }

  /** What was under way may be lost: everything again, in order. */
  reconnected(): void {
    this.#connected = true;
    const now = this.#clock.now();
    for (const [token, pending] of this.#pending) this.#send(token, pending, now);
  }

  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const token of [...this.#pending.keys()]) this.#settle(token, unavailable("the log is closed"));
    for (const { settled, index } of this.#waiting.splice(0)) settled(unavailable("the log is closed"), index);
  }

  #send(token: number, pending: Pending, now: EpochMs): void {
    if (this.#refused.size > 0) this.#refused.delete(pending);
    pending.sendAt = now + this.#options.resendMs;
    pending.tries++;
    const reply = `${this.#inbox}${token}`;
    const [first] = pending.messages;
    try {
      if (pending.messages.length === 1) this.#write(first as Message, reply, undefined);
      else this.#writeBatch(pending.messages, reply);
    } catch (error) {
      // Too large for the server, or the connection was closed for good.
      this.#settle(token, unavailable(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Each try is a batch of its own: what the server has of an earlier one expires there. */
  #writeBatch(messages: readonly Message[], reply: string): void {
    const id = `${this.#inbox.slice(-10, -1)}${(++this.#batches).toString(36)}`;
    for (let i = 0; i < messages.length; i++) {
      const last = i === messages.length - 1;
      const batch: Record<string, string | number> = { [header.batchId]: id, [header.batchSequence]: i + 1 };
      if (last) batch[header.batchCommit] = 1;
      this.#write(messages[i] as Message, i === 0 || last ? reply : "", batch);
    }
  }

  #write({ subject, fields, payload }: Message, reply: string, batch: Fields | undefined): void {
    const lines = headerLines(fields);
    this.#wire.publish({ subject, header: batch === undefined ? lines : lines + headerLines(batch), payload }, reply);
  }

  #answered(message: Incoming): void {
    const token = message.numberAfter(this.#inbox.length);
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    if (message.from === message.to) {
      // The first message of a batch is answered with nothing when it was taken; 503: no stream listens now.
      if ((message.headers?.code ?? 0) >= 400) this.#again(pending);
      return;
    }
    const result = parseAnswer(message);
    if (!result.ok && typeof result.code === "number" && transient.has(result.code)) this.#again(pending);
    else this.#settle(token, result);
  }

  #again(pending: Pending): void {
    this.#refused.add(pending);
    pending.sendAt = this.#clock.now() + Math.min(retryMs * 2 ** Math.min(pending.tries, 8), retryMsMax);
  }

  #settle(token: number, result: Published): void {
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    if (this.#refused.size > 0) this.#refused.delete(pending);
    this.#messages -= pending.messages.length;
    this.#bytes -= pending.bytes;
    pending.settled(result, pending.index);
    if (this.#waiting.length > 0) this.#beginWaitingSoon();
  }

  /** After all answers that came together. */
  #beginWaitingSoon(): void {
    if (this.#beginning) return;
    this.#beginning = true;
    queueMicrotask(() => {
      this.#beginning = false;
      if (!this.#closed) this.#beginWaiting();
    });
  }

  #sweepSoon(): void {
    if (this.#sweep !== undefined || this.#closed || this.#pending.size === 0) return;
    this.#sweep = this.#clock.after(sweepMs, () => {
      this.#sweep = undefined;
      const now = this.#clock.now();
      for (const [token, pending] of this.#pending) {
        if (now >= pending.deadline) this.#giveUp(token, pending);
        else if (this.#connected && now >= pending.sendAt) this.#send(token, pending, now);
        // What was sent once and is not due yet: what came after it is not due either, unless it was refused for now.
        else if (pending.tries === 1 && this.#refused.size === 0) break;
      }
      this.#giveUpWaiting(now);
      this.#sweepSoon();
    });
  }

  #giveUp(token: number, { line }: Pending): void {
    this.#settle(token, this.#silent());
    if (line === "") return;
    for (const [later, pending] of this.#pending) if (pending.line === line) this.#settle(later, this.#silent());
    const [given, kept] = [
      this.#waiting.filter((one) => one.line === line),
      this.#waiting.filter((one) => one.line !== line),
    ];
    this.#waiting = kept;
    for (const { settled, index } of given) settled(this.#silent(), index);
  }

  #giveUpWaiting(now: EpochMs): void {
    let late = 0;
    while (late < this.#waiting.length && now >= (this.#waiting[late] as Pending).deadline) late++;
    for (const { settled, index } of this.#waiting.splice(0, late)) settled(this.#silent(), index);
  }

  #silent(): Published {
    return unavailable(`NATS gave no answer for ${this.#options.deadlineMs} ms`);
  }
}

/** Under the prefix that this connection may subscribe to. */
export function newInbox(nc: NatsConnection): string {
  return createInbox((nc as unknown as { options?: { inboxPrefix?: string } }).options?.inboxPrefix ?? "_INBOX");
}

/** What the log answers for a message that was refused. */
export function failureOf({ code, message }: Published & { readonly ok: false }): LogFailure {
  return { ok: false, code: code === refusal.noSpace ? "full" : "unavailable", message, retryable: true };
}

function unavailable(message: string): Published {
  return { ok: false, code: "unavailable", message };
}

const letterE = 101;
const seqKey = new TextEncoder().encode('"seq":');

type Answer = Pick<Incoming, "bytes" | "from" | "to">;

/** `{"stream":"WEIR","seq":5,"duplicate":true}`: the common answer is read without making an object of it. */
export function parseAnswer(answer: Answer): Published {
  const { bytes, from, to } = answer;
  const at = bytes[from + 2] !== letterE /* of "error" */ ? indexOf(answer, seqKey) : -1;
  if (at < 0) return parseError(bytes.subarray(from, to));
  let seq = 0;
  let i = at + seqKey.length;
  if (bytes[i] === 32) i++;
  for (; i < to; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) break;
    seq = seq * 10 + digit;
  }
  const duplicate = to - i > 8 && decoder.decode(bytes.subarray(i, to)).includes('"duplicate":true');
  return { ok: true, seq, duplicate };
}

function parseError(data: Uint8Array): Published {
  try {
    const { error } = JSON.parse(decoder.decode(data)) as {
      error?: { err_code?: number; code?: number; description?: string };
    };
    if (error === undefined) return unavailable("NATS answered something that is no acknowledgement");
    return { ok: false, code: error.err_code ?? error.code ?? 0, message: error.description ?? "refused" };
  } catch {
    return unavailable("NATS answered something that is no acknowledgement");
  }
}

function indexOf({ bytes, from, to }: Answer, what: Uint8Array): number {
  outer: for (let i = from; i + what.length <= to; i++) {
    for (let j = 0; j < what.length; j++) if (bytes[i + j] !== what[j]) continue outer;
    return i;
  }
  return -1;
}

export const noPayload = new Uint8Array(0);
