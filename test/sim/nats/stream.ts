/**
 * One stream of a simulated JetStream: what it holds, and what it refuses. Nothing here fails by itself; servers do.
 * @module
 */
import type { SimClock } from "../clock.ts";
import { type Fields, type Message, noBytes, subjectMatches } from "./message.ts";

export type StreamOptions = {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly windowMs: number;
  /** Only the newest of each subject is kept, and one whose time is over leaves a marker. */
  readonly keyValue: boolean;
};

export type Incoming = { readonly subject: string; readonly fields: Fields; readonly data: Uint8Array };
export type Refusal = { readonly code: number; readonly err_code: number; readonly description: string };
export type Verdict =
  | { readonly kind: "store" }
  | { readonly kind: "duplicate"; readonly seq: number }
  | { readonly kind: "refuse"; readonly error: Refusal };

const markerTtl = "60s";

export const refuse = (err_code: number, description: string, code = 400): Refusal => ({ code, err_code, description });

export class SimStream {
  readonly options: StreamOptions;
  lastSeq = 0;
  readonly #clock: SimClock;
  #messages: Message[] = [];
  #gone = 0;
  readonly #newest = new Map<string, Message>();
  #ids = new Map<string, { readonly seq: number; readonly atMs: number }>();
  /** Called for each message that is stored. */
  onStored: (message: Message) => void = () => undefined;

  constructor(options: StreamOptions, clock: SimClock) {
    this.options = options;
    this.#clock = clock;
  }

  takes(subject: string): boolean {
    return this.options.subjects.some((filter) => subjectMatches(filter, subject));
  }

  /** What the server decides about one message (of a batch, if so) as things are stored now. */
  judge({ subject, fields }: Incoming, inBatch: boolean): Verdict {
    const id = fields.get("Nats-Msg-Id");
    const known = id === undefined ? undefined : this.#ids.get(id);
    if (known !== undefined && known.atMs > this.#clock.nowMs - this.options.windowMs) {
      if (!inBatch) return { kind: "duplicate", seq: known.seq };
      return { kind: "refuse", error: refuse(10_201, "atomic publish batch contains duplicate message id") };
    }
    const expected = fields.get("Nats-Expected-Last-Subject-Sequence");
    const last = this.newest(subject)?.seq ?? 0;
    if (expected === undefined || Number(expected) === last) return { kind: "store" };
    return { kind: "refuse", error: refuse(10_071, `wrong last sequence: ${last}`) };
  }

  store({ subject, fields, data }: Incoming): Message {
    const atMs = this.#clock.nowMs;
    const before = this.#newest.get(subject);
    if (fields.get("Nats-Rollup") === "sub")
      for (const old of this.#messages) if (old.subject === subject) this.remove(old);
    if (this.options.keyValue && before !== undefined) this.remove(before);
    const message: Message = { seq: ++this.lastSeq, subject, fields, data, atMs, gone: false };
    this.#messages.push(message);
    this.#newest.set(subject, message);
    const id = fields.get("Nats-Msg-Id");
    if (id !== undefined) this.#ids.set(id, { seq: message.seq, atMs });
    const ttl = fields.get("Nats-TTL");
    if (ttl !== undefined) this.#clock.after(Number.parseInt(ttl, 10) * 1_000, () => this.#expire(message));
    this.onStored(message);
    return message;
  }

  #expire(message: Message): void {
    if (message.gone) return;
    this.remove(message);
    if (!this.options.keyValue || message.fields.has("Nats-Marker-Reason")) return;
    const fields = new Map([
      ["Nats-Marker-Reason", "MaxAge"],
      ["Nats-TTL", markerTtl],
    ]);
    this.store({ subject: message.subject, fields, data: noBytes });
  }

  remove(message: Message): void {
    if (message.gone) return;
    message.gone = true;
    if (this.#newest.get(message.subject) === message) this.#newest.delete(message.subject);
    if (++this.#gone > 64 && this.#gone * 2 > this.#messages.length) {
      this.#messages = this.#messages.filter(({ gone }) => !gone);
      this.#gone = 0;
    }
  }

  /** The map of ids is not kept over a restart: it is made again from what is held. */
  restart(): void {
    this.#ids = new Map();
    for (const { seq, atMs, fields, gone } of this.#messages) {
      const id = fields.get("Nats-Msg-Id");
      if (id !== undefined && !gone) this.#ids.set(id, { seq, atMs });
    }
  }

  newest(filter: string): Message | undefined {
    const exact = this.#newest.get(filter);
    if (exact !== undefined || !/[*>]/.test(filter)) return exact;
    for (let i = this.#messages.length - 1; i >= 0; i--) {
      const message = this.#messages[i] as Message;
      if (!message.gone && subjectMatches(filter, message.subject)) return message;
    }
    return undefined;
  }

  /** Held messages from a seq on, in order. */
  *from(seq: number, filters: readonly string[] = [">"]): Generator<Message> {
    const messages = this.#messages;
    let [low, high] = [0, messages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((messages[middle] as Message).seq < seq) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < messages.length; i++) {
      const message = messages[i] as Message;
      if (!message.gone && filters.some((filter) => subjectMatches(filter, message.subject))) yield message;
    }
  }
}
