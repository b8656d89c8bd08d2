/**
 * Steps that are done once: records, a journal's entries and the step's key, stored together by an atomic batch whose
 * last message decides. That message lives on the producer's own subject, each after the one before it
 * (compare-and-set), so a node that lost the producer cannot do another step.
 *
 * The journal is another stream. The entries are in the deciding message too: whoever loads the journal next writes
 * them there, if the node that did the step could not.
 * @module
 */

import type { Seq } from "../../../protocol/ids.ts";
import type { Clock } from "../../ports.ts";
import type { JournalAppend, JournalKey } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import { type Fields, header } from "./headers.ts";
import type { Newest } from "./newest.ts";
import { type Message, noPayload, type Published, type Publisher, refusal } from "./publisher.ts";
import { decode, encode } from "./step-payload.ts";
import { readSubject } from "./subject-reader.ts";
import type { Names, Subjects } from "./subjects.ts";

export type Done = { readonly first: Seq; readonly last: Seq };

/** What is known of a producer's steps; another object once it was read anew. */
export type Chain = {
  /** Seq of its newest message. */
  last: Seq;
  readonly done: Map<string, Done & { readonly op: string }>;
  /** Of the newest step. */
  journal: JournalAppend | undefined;
};

export type StepsParts = {
  readonly api: Api;
  readonly newest: Newest;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  /** Server and stream store batches atomically. */
  readonly atomic: boolean;
  /** Unique in all processes and for all time. */
  readonly op: () => string;
};

export type Step = {
  readonly producer: string;
  readonly key: string;
  readonly records: readonly Message[];
  readonly journal: JournalAppend | undefined;
  /** As it was when the journal was last known to end where the step expects it. */
  readonly chain: Chain | undefined;
};
export type StepResult =
  | { readonly ok: true; readonly first: Seq; readonly last: Seq; readonly duplicate: boolean; readonly chain: Chain }
  | { readonly ok: false; readonly code: "fenced" | "unavailable" | "full" | "unsupported"; readonly message: string };

type Noted = {
  readonly key: string;
  readonly op: string;
  readonly seq: Seq;
  readonly count: number;
  readonly journal: JournalAppend | undefined;
};

const chainsMax = 100_000;
const tombstoneTtl = "60s";
const triesMax = 3;

export class Steps {
  readonly #parts: StepsParts;
  readonly #chains = new Map<string, Chain>();

  constructor(parts: StepsParts) {
    this.#parts = parts;
  }

  get atomic(): boolean {
    return this.#parts.atomic;
  }

  async done(producer: string, key: string): Promise<Done | undefined> {
    return (await this.#chain(producer)).done.get(key);
  }

  async do(step: Step): Promise<StepResult> {
    const { producer, key, records, journal } = step;
    const chain = step.chain ?? (await this.#chain(producer));
    const count = records.length;
    const op = this.#parts.op();
    const fields: Fields = {
      [header.expectedLast]: chain.last,
      [header.step]: encodeURIComponent(key),
      [header.count]: count,
      [header.op]: op,
    };
    const payload = journal === undefined ? noPayload : encode(journal);
    const marker: Message = { subject: this.#parts.subjects.steps(producer), fields, payload };
    const result = await this.#publish([...records, marker]);
    if (result.ok) {
      const { first, last } = this.#note(chain, { key, op, seq: result.seq, count, journal });
      return { ok: true, first, last, duplicate: false, chain };
    }
    this.#chains.delete(producer);
    if (result.code === refusal.noSpace) return { ok: false, code: "full", message: result.message };
    // A record's message id is looked at before the chain.
    if (result.code !== refusal.wrongLastSeq && result.code !== refusal.batchDuplicate)
      return { ok: false, code: "unavailable", message: result.message };
    return this.#refused({ producer, key, op }, result.code);
  }

  /** Done already (by ourselves, and the answer was lost; or by another node), or the producer is another node's now. */
  async #refused(
    { producer, key, op }: { readonly producer: string; readonly key: string; readonly op: string },
    code: number,
  ): Promise<StepResult> {
    const chain = await this.#chain(producer);
    const done = chain.done.get(key);
    if (done !== undefined) return { ok: true, ...done, duplicate: done.op !== op, chain };
    if (code === refusal.wrongLastSeq)
      return { ok: false, code: "fenced", message: `Producer ${producer} belongs to another node now` };
    return { ok: false, code: "unavailable", message: "Some of its records are stored already" };
  }

  /** Undefined: nothing is known now. */
  held(producer: string): Chain | undefined {
    return this.#chains.get(producer);
  }

  #publish(messages: readonly Message[]): Promise<Published> {
    return this.#parts.publisher.publish(messages as [Message, ...Message[]]);
  }

  #note(chain: Chain, step: Noted): Done {
    const done = step.count === 0 ? { first: 0, last: 0 } : { first: step.seq - step.count, last: step.seq - 1 };
    chain.last = step.seq;
    chain.journal = step.journal;
    chain.done.set(step.key, { ...done, op: step.op });
    return done;
  }

  /** The chain, read anew. Undefined: there are no steps. */
  async anew(producer: string): Promise<Chain | undefined> {
    if (!this.#parts.atomic) return undefined;
    this.#chains.delete(producer);
    return this.#chain(producer);
  }

  /** Entries that a step decided and that are not in the journal yet, which ends at `seq`. */
  owed(chain: Chain | undefined, key: JournalKey, seq: number): JournalAppend | undefined {
    const journal = chain?.journal;
    const isIts = journal !== undefined && journal.key.kind === key.kind && journal.key.id === key.id;
    return isIts && journal.expected === seq ? journal : undefined;
  }

  /** From now on no other node can do a step after this chain without being refused. False: one was faster. */
  async claim(producer: string, chain: Chain): Promise<boolean> {
    if (this.#chains.get(producer) !== chain) return false;
    const op = this.#parts.op();
    const fields: Fields = { [header.expectedLast]: chain.last, [header.op]: op };
    const result = await this.#publish([{ subject: this.#parts.subjects.steps(producer), fields, payload: noPayload }]);
    if (result.ok) {
      chain.last = result.seq;
      chain.journal = undefined;
      return true;
    }
    this.#chains.delete(producer);
    if (result.code === refusal.wrongLastSeq) return false;
    throw new Error(`Producer ${producer} could not be claimed: ${result.message}`);
  }

  async forget(producer: string): Promise<void> {
    if (!this.#parts.atomic) return;
    for (let tries = 0; tries < triesMax; tries++) {
      this.#chains.delete(producer);
      const chain = await this.#chain(producer);
      if (chain.last === 0) return;
      const fields = {
        [header.expectedLast]: chain.last,
        [header.rollup]: "sub",
        [header.ttl]: tombstoneTtl,
        [header.deleted]: 1,
      };
      const result = await this.#publish([
        { subject: this.#parts.subjects.steps(producer), fields, payload: noPayload },
      ]);
      this.#chains.delete(producer);
      if (result.ok) return;
    }
    throw new Error(`Steps of ${producer} could not be forgotten`);
  }

  async #chain(producer: string): Promise<Chain> {
    const held = this.#chains.get(producer);
    if (held !== undefined) return held;
    const { api, newest, clock, names, subjects } = this.#parts;
    const chain: Chain = { last: 0, done: new Map(), journal: undefined };
    const subject = subjects.steps(producer);
    const last = await newest.of(names.records, subject);
    if (last !== undefined) {
      const range = { stream: names.records, subject, from: 1, last: last.seq };
      for await (const message of readSubject(api, clock, range)) this.#read(chain, message);
    }
    if (this.#chains.size >= chainsMax) this.#chains.delete(this.#chains.keys().next().value as string);
    this.#chains.set(producer, chain);
    return chain;
  }

  #read(chain: Chain, { seq, headers, data }: Stored): void {
    const key = headers?.get(header.step) ?? "";
    chain.last = seq;
    chain.journal = undefined;
    if ((headers?.get(header.deleted) ?? "") !== "") return chain.done.clear();
    if (key === "") return;
    const journal = data.byteLength === 0 ? undefined : decode(data);
    const [op = "", count] = [headers?.get(header.op), Number(headers?.get(header.count) ?? 0)];
    this.#note(chain, { key: decodeURIComponent(key), op, seq, count, journal });
  }
}
