/**
 * Appends to the log. Each producer has a lane: its appends are stored one after the other, several waiting ones
 * together where the server stores them in order.
 *
 * Owns: a producer's numbers are stored in their order, each once; what is answered stored is stored.
 * @module
 */

import type { Seq } from "../../../protocol/ids.ts";
import { appended, closedFailure, planAppend } from "../append-plan.ts";
import type { AppendRequest, AppendResult, LogFailure, ProducerNumbers } from "../event-log.ts";
import { anonymous, header } from "./headers.ts";
import type { JetStreamJournals } from "./journals.ts";
import type { Producer, Producers } from "./producers.ts";
import { type Message, type Published, type Publisher, refusal } from "./publisher.ts";
import { numberId, recordMessage } from "./records.ts";
import { SerialByKey } from "./serial.ts";
import type { Steps } from "./steps.ts";
import type { Subjects } from "./subjects.ts";

/**
 * How several records of one producer are stored in order. pipeline: sent one after the other to the one server there
 * is · batch: atomic batches, which a cluster stores as fast as single messages · single: the next one after the
 * answer to the one before.
 */
export type Ordering = "pipeline" | "batch" | "single";

export type AppendsParts = {
  readonly publisher: Publisher;
  readonly subjects: Subjects;
  readonly producers: Producers;
  readonly journals: JetStreamJournals;
  readonly steps: Steps;
  readonly ordering: Ordering;
  readonly op: () => string;
  /** These records are stored; none: the log goes that far. */
  readonly stored: (last: Seq, count: number, bytes: number) => void;
};

type Job = { readonly request: AppendRequest; readonly resolve: (result: AppendResult) => void };
type Numbered = AppendRequest & { readonly numbered: ProducerNumbers };
type One = { readonly number: number; readonly message: Message };

/** Of the server for a batch; a step's deciding message counts. */
const batchMessagesMax = 1_000;
const batchBytesMax = 4 * 1_048_576;
const jobsMax = 256;
const plainLane = "";

export class Appends {
  readonly #parts: AppendsParts;
  readonly #waiting = new Map<string, Job[]>();
  readonly #lanes = new SerialByKey();
  #closed = false;

  constructor(parts: AppendsParts) {
    this.#parts = parts;
  }

  append(request: AppendRequest): Promise<AppendResult> {
    if (this.#closed) return Promise.resolve(closedFailure);
    const { records, numbered, once, journal } = request;
    const isPlain = numbered === undefined && once === undefined;
    if (isPlain && journal !== undefined && records.length === 0) return this.#journalOnly(request);
    const lane = numbered?.producer ?? once?.producer ?? journal?.key.id ?? plainLane;
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(lane) ?? [];
      this.#waiting.set(lane, waiting);
      waiting.push({ request, resolve });
      if (waiting.length === 1) void this.#lanes.run(lane, () => this.#drain(lane));
    });
  }

  /** In turn with the producer's appends. */
  forget(producer: string): Promise<void> {
    return this.#lanes.run(producer, async () => {
      await this.#parts.steps.forget(producer);
      await this.#parts.producers.forget(producer);
    });
  }

  /** Nothing is accepted any more; resolves when what was accepted is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#lanes.idle();
  }

  async #drain(lane: string): Promise<void> {
    const jobs = this.#waiting.get(lane) ?? [];
    this.#waiting.delete(lane);
    for (let i = 0; i < jobs.length; ) {
      const group = numberedGroup(jobs, i);
      i += Math.max(1, group.length);
      const [first] = group.length > 0 ? group : [jobs[i - 1] as Job];
      try {
        if (group.length > 0) await this.#numbered(group as readonly (Job & { request: Numbered })[]);
        else (first as Job).resolve(await this.#one((first as Job).request));
      } catch (error) {
        const failure = unavailable(error instanceof Error ? error.message : String(error));
        for (const job of group.length > 0 ? group : [first as Job]) job.resolve(failure);
      }
    }
  }

  async #journalOnly({ journal }: AppendRequest): Promise<AppendResult> {
    const result = await this.#parts.journals.append(journal as NonNullable<AppendRequest["journal"]>);
    return result.ok ? { ok: true, seqs: [], duplicate: false, journalSeq: result.seq } : result;
  }

  #one(request: AppendRequest): Promise<AppendResult> {
    return request.once === undefined && request.journal === undefined ? this.#plain(request) : this.#step(request);
  }

  // --- numbered ---

  async #numbered(jobs: readonly (Job & { readonly request: Numbered })[]): Promise<void> {
    const name = (jobs[0] as Job & { request: Numbered }).request.numbered.producer;
    const producer = await this.#parts.producers.get(name);
    const { answers, ones } = this.#plan(producer, jobs);
    const stored = ones.length === 0 ? new Map<number, Seq>() : await this.#storeAll(producer, ones);
    for (const { job, from } of answers) {
      if (typeof from !== "number") job.resolve(from);
      else job.resolve(answer(job.request, from, stored));
    }
  }

  /** What each request is: answered already, or so many of its records are to be stored. */
  #plan(producer: Producer, jobs: readonly (Job & { readonly request: Numbered })[]) {
    const answers: { job: Job & { request: Numbered }; from: number | AppendResult }[] = [];
    const ones: One[] = [];
    let { mark } = producer;
    for (const job of jobs) {
      const { request } = job;
      const plan = planAppend(request, { mark: () => mark, done: () => undefined, journalHead: () => 0 });
      answers.push({ job, from: plan.kind === "answer" ? plan.result : plan.from });
      if (plan.kind === "answer") continue;
      for (let i = plan.from; i < request.records.length; i++) {
        ones.push(this.#oneOf(producer, request, i, mark ?? 0));
        mark = request.numbered.numbers[i] as number;
      }
    }
    return { answers, ones };
  }

  #oneOf(producer: Producer, request: Numbered, i: number, before: number): One {
    const number = request.numbered.numbers[i] as number;
    const record = request.records[i] as AppendRequest["records"][number];
    const message = recordMessage(this.#parts.subjects, record, numberId(producer.name, number, producer.life));
    if (before === number - 1) return { number, message };
    return { number, message: { ...message, fields: { ...message.fields, [header.after]: before } } };
  }

  /** Stores in order as far as it goes; answers what is stored. */
  async #storeAll(producer: Producer, ones: readonly One[]): Promise<ReadonlyMap<number, Seq>> {
    const stored = new Map<number, Seq>();
    const { producers, ordering } = this.#parts;
    if (!(await producers.begin(producer))) {
      producers.ended(producer, "known");
      return stored;
    }
    const outcome =
      ordering === "pipeline"
        ? await this.#pipeline(producer, ones, stored)
        : await this.#inUnits(producer, ones, stored);
    producers.ended(producer, outcome);
    return stored;
  }

  async #pipeline(producer: Producer, ones: readonly One[], stored: Map<number, Seq>): Promise<"known" | "unknown"> {
    const publishing = ones.map((one) => this.#publishOne(producer, one));
    const results = await Promise.all(publishing);
    let isWhole = true;
    for (let i = 0; i < ones.length; i++) {
      const [one, result] = [ones[i] as One, results[i] as Published];
      if (!result.ok) isWhole = false;
      else if (isWhole) this.#note(producer, one, result, stored);
      else producer.ahead.set(one.number, result.seq);
    }
    return results.some((result) => !result.ok && result.code === "unavailable") ? "unknown" : "known";
  }

  async #inUnits(producer: Producer, ones: readonly One[], stored: Map<number, Seq>): Promise<"known" | "unknown"> {
    for (let from = 0; from < ones.length; ) {
      const unit = this.#parts.ordering === "batch" ? unitFrom(ones, from) : ones.slice(from, from + 1);
      from += unit.length;
      const result = unit.length === 1 ? undefined : await this.#publish(unit);
      if (result?.ok === true) {
        const first = result.seq - unit.length + 1;
        for (const [i, one] of unit.entries()) this.#note(producer, one, { ...result, seq: first + i }, stored);
        continue;
      }
      if (result !== undefined && result.code !== refusal.batchDuplicate)
        return result.code === "unavailable" ? "unknown" : "known";
      // Some of it is stored already: one by one the server says which.
      for (const one of unit) {
        const single = await this.#publishOne(producer, one);
        if (!single.ok) return single.code === "unavailable" ? "unknown" : "known";
        this.#note(producer, one, single, stored);
      }
    }
    return "known";
  }

  #publish(unit: readonly One[]): Promise<Published> {
    return this.#parts.publisher.publish(unit.map(({ message }) => message) as [Message, ...Message[]]);
  }

  #publishOne(producer: Producer, { number, message }: One): Promise<Published> {
    const ahead = producer.ahead.get(number);
    if (ahead !== undefined) return Promise.resolve({ ok: true, seq: ahead, duplicate: true });
    return this.#parts.publisher.publish([message]);
  }

  #note(
    producer: Producer,
    { number, message }: One,
    result: Published & { ok: true },
    stored: Map<number, Seq>,
  ): void {
    stored.set(number, result.seq);
    producer.ahead.delete(number);
    this.#parts.producers.moved(producer, number, result.seq);
    this.#parts.stored(result.seq, result.duplicate ? 0 : 1, result.duplicate ? 0 : sizeOf(message));
  }

  // --- plain ---

  async #plain({ records }: AppendRequest): Promise<AppendResult> {
    const seqs: Seq[] = [];
    const messages = records.map((record) =>
      recordMessage(this.#parts.subjects, record, { message: anonymous + this.#parts.op(), idMeant: "" }),
    );
    for (let from = 0; from < messages.length; ) {
      const unit = unitOf(messages, from, this.#parts.steps.atomic ? batchMessagesMax : 1);
      from += unit.length;
      const result = await this.#parts.publisher.publish(unit as [Message, ...Message[]]);
      if (!result.ok) return failureOf(result);
      for (let i = unit.length - 1; i >= 0; i--) seqs.push(result.seq - i);
      for (const message of unit) this.#parts.stored(result.seq, 1, sizeOf(message));
    }
    return { ok: true, seqs, duplicate: false };
  }

  // --- steps ---

  async #step(request: AppendRequest): Promise<AppendResult> {
    const { steps, producers, journals } = this.#parts;
    const { records, numbered, once, journal } = request;
    const name = once?.producer ?? numbered?.producer ?? (journal as NonNullable<typeof journal>).key.id;
    const key = once?.key ?? this.#parts.op();
    if (!steps.atomic) return this.#stepWithoutBatch(request, key);
    const producer = await producers.get(name);
    if (journal !== undefined && journal.key.id !== name)
      return unavailable(`A step of ${name} cannot write the journal of ${journal.key.id}`, false);
    const head = journal === undefined ? { seq: 0, chain: undefined } : await journals.headFor(journal);
    const done = once === undefined ? undefined : await steps.done(name, key);
    const view = { mark: () => producer.mark, done: () => done, journalHead: () => head.seq };
    const plan = planAppend(request, view);
    if (done !== undefined) this.#parts.stored(done.last, 0, 0);
    if (plan.kind === "answer") return plan.result;
    if (records.length - plan.from >= batchMessagesMax)
      return unavailable(`A step of ${records.length} records does not fit in a batch of ${batchMessagesMax}`, false);
    const messages = records
      .slice(plan.from)
      .map((record, i) => this.#messageOf(producer, request, i + plan.from, record));
    if (numbered !== undefined && !(await producers.begin(producer)))
      return unavailable(`Producer ${name} is another node's`);
    const result = await steps.do({ producer: name, key, records: messages, journal, chain: head.chain });
    if (numbered !== undefined) {
      if (result.ok) producers.moved(producer, numbered.numbers.at(-1) ?? 0, result.last);
      producers.ended(producer, result.ok ? "known" : "unknown");
    }
    if (!result.ok) return stepFailure(result, journal);
    this.#parts.stored(result.last, 0, 0);
    if (result.duplicate) return { ok: true, seqs: [result.first, result.last], duplicate: true };
    for (const message of messages) this.#parts.stored(result.last, 1, sizeOf(message));
    // Decided. If the journal cannot be reached now, whoever reads it next writes the entries.
    if (journal !== undefined) await journals.appendDecided(journal, result.chain).catch(() => undefined);
    return appended(request, plan.from, result.first);
  }

  #messageOf(producer: Producer, request: AppendRequest, i: number, record: AppendRequest["records"][number]): Message {
    const number = request.numbered?.numbers[i];
    if (number !== undefined)
      return this.#oneOf(producer, request as Numbered, i, request.numbered?.numbers[i - 1] ?? producer.mark ?? 0)
        .message;
    return recordMessage(this.#parts.subjects, record, undefined);
  }

  /**
   * Before atomic batches: one record with the step's key as its message id, then the journal. A node that dies in
   * between leaves the record without the entry: done again within the window of de-duplication, it is stored once.
   */
  async #stepWithoutBatch({ records, journal, once }: AppendRequest, key: string): Promise<AppendResult> {
    if (records.length > 1)
      return unavailable("Transactions need nats-server 2.12.2 or newer with atomic batches", false);
    const id = { message: `${anonymous}${once?.producer ?? ""}#${encodeURIComponent(key)}`, idMeant: "" };
    const messages = records.map((record) => recordMessage(this.#parts.subjects, record, id));
    const seqs: Seq[] = [];
    for (const message of messages) {
      const result = await this.#parts.publisher.publish([message]);
      if (!result.ok) return failureOf(result);
      if (!result.duplicate) this.#parts.stored(result.seq, 1, sizeOf(message));
      seqs.push(result.seq);
    }
    if (journal === undefined) return { ok: true, seqs, duplicate: false };
    const written = await this.#parts.journals.append(journal);
    return written.ok ? { ok: true, seqs, duplicate: false, journalSeq: written.seq } : written;
  }
}

/** Requests from here on that are numbers and nothing else. */
function numberedGroup(jobs: readonly Job[], from: number): readonly Job[] {
  const group: Job[] = [];
  for (let i = from; i < jobs.length && group.length < jobsMax; i++) {
    const job = jobs[i] as Job;
    const { numbered, once, journal } = job.request;
    if (numbered === undefined || once !== undefined || journal !== undefined) break;
    group.push(job);
  }
  return group;
}

function answer(request: Numbered, from: number, stored: ReadonlyMap<number, Seq>): AppendResult {
  const { numbers } = request.numbered;
  const seqs = numbers.map((number, i) => (i < from ? 0 : stored.get(number)));
  if (seqs.some((seq) => seq === undefined)) return unavailable("NATS did not store all of it");
  return { ok: true, seqs: seqs as Seq[], duplicate: from > 0 && from === numbers.length };
}

function unitFrom(ones: readonly One[], from: number): readonly One[] {
  let bytes = 0;
  let to = from;
  while (to < ones.length && to - from < batchMessagesMax) {
    bytes += sizeOf((ones[to] as One).message);
    if (to > from && bytes > batchBytesMax) break;
    to++;
  }
  return ones.slice(from, to);
}

function unitOf(messages: readonly Message[], from: number, countMax: number): readonly Message[] {
  return unitFrom(
    messages.slice(from, from + countMax).map((message) => ({ number: 0, message })),
    0,
  ).map(({ message }) => message);
}

function sizeOf({ subject, payload }: Message): number {
  return subject.length + payload.byteLength;
}

function unavailable(message: string, retryable = true): LogFailure {
  return { ok: false, code: "unavailable", message, retryable };
}

function failureOf(result: Published & { readonly ok: false }): LogFailure {
  if (result.code === refusal.noSpace) return { ok: false, code: "full", message: result.message, retryable: true };
  return unavailable(result.message);
}

function stepFailure(
  { code, message }: { readonly code: "fenced" | "unavailable" | "full" | "unsupported"; readonly message: string },
  journal: AppendRequest["journal"],
): LogFailure {
  if (code === "full") return { ok: false, code, message, retryable: true };
  if (code === "fenced" && journal !== undefined) return { ok: false, code: "conflict", message, retryable: false };
  return unavailable(message);
}
