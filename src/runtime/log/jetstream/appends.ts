/**
 * Appends to the log. Each producer has a lane: its appends are stored one after the other, several waiting ones
 * together where the server stores them in order.
 *
 * Owns: a producer's numbers are stored in their order, each once; what is answered stored is stored.
 * @module
 */

import type { Seq } from "../../../protocol/ids.ts";
import type { Clock } from "../../ports.ts";
import { appended, closedFailure, planAppend } from "../append-plan.ts";
import type { AppendRequest, AppendResult, LogFailure, ProducerNumbers } from "../event-log.ts";
import { anonymous } from "./headers.ts";
import type { JetStreamJournals } from "./journals.ts";
import { batchMessagesMax, NumberedAppends, type NumberedJob, type Ordering, sizeOf, unitFrom } from "./numbered.ts";
import type { Producer, Producers } from "./producers.ts";
import { failureOf, type Message, type Publisher, refusal } from "./publisher.ts";
import { recordMessage } from "./records.ts";
import { SerialByKey } from "./serial.ts";
import type { Step, StepResult, Steps } from "./steps.ts";
import type { Subjects } from "./subjects.ts";

export type AppendsParts = {
  readonly publisher: Publisher;
  readonly subjects: Subjects;
  readonly producers: Producers;
  readonly journals: JetStreamJournals;
  readonly steps: Steps;
  readonly ordering: Ordering;
  readonly op: () => string;
  readonly clock: Clock;
  /** These records are stored; none: the log goes that far. */
  readonly stored: (last: Seq, count: number, bytes: number) => void;
};

type Job = { readonly request: AppendRequest; readonly resolve: (result: AppendResult) => void };

const jobsMax = 256;
const stepTriesMax = 4;
const plainLane = "";

export class Appends {
  readonly #parts: AppendsParts;
  readonly #waiting = new Map<string, Job[]>();
  readonly #lanes = new SerialByKey();
  readonly #numbered: NumberedAppends;
  #closed = false;

  constructor(parts: AppendsParts) {
    this.#parts = parts;
    this.#numbered = new NumberedAppends(parts);
  }

  append(request: AppendRequest): Promise<AppendResult> {
    if (this.#closed) return Promise.resolve(closedFailure);
    const { records, numbered, once, journal } = request;
    const isPlain = numbered === undefined && once === undefined;
    if (isPlain && journal !== undefined && records.length === 0) return this.#journalOnly(request);
    const lane = numbered?.producer ?? once?.producer ?? journal?.key.id ?? plainLane;
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(lane);
      if (waiting !== undefined) return void waiting.push({ request, resolve });
      const jobs = [{ request, resolve }];
      this.#waiting.set(lane, jobs);
      void this.#lanes.run(lane, () => this.#drain(lane, jobs));
    });
  }

  /** In turn with the producer's appends. */
  forget(producer: string): Promise<void> {
    this.#waiting.delete(producer); // What comes from now on comes after it.
    return this.#lanes.run(producer, async () => {
      await this.#numbered.settled(producer);
      await this.#parts.steps.forget(producer);
      await this.#parts.producers.forget(producer);
    });
  }

  /** Nothing is accepted any more; resolves when what was accepted is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#lanes.idle();
    await this.#numbered.idle();
  }

  /** With all that this turn of the loop brings. */
  async #drain(lane: string, jobs: readonly Job[]): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.clock.soon(resolve));
    if (this.#waiting.get(lane) === jobs) this.#waiting.delete(lane);
    for (let i = 0; i < jobs.length; ) {
      const group = numberedGroup(jobs, i);
      i += Math.max(1, group.length);
      const [first] = group.length > 0 ? group : [jobs[i - 1] as Job];
      try {
        if (group.length > 0) await this.#numbered.append(group);
        else (first as Job).resolve(await this.#one(lane, (first as Job).request));
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

  async #one(lane: string, request: AppendRequest): Promise<AppendResult> {
    await this.#numbered.settled(lane);
    return request.once === undefined && request.journal === undefined ? this.#plain(request) : this.#step(request);
  }

  // --- plain ---

  async #plain({ records }: AppendRequest): Promise<AppendResult> {
    const seqs: Seq[] = [];
    const messages = records.map((record) =>
      recordMessage(this.#parts.subjects, record, { message: anonymous + this.#parts.op(), idMeant: "" }),
    );
    if (!this.#parts.steps.atomic) return this.#plainSingles(messages, seqs);
    for (let from = 0; from < messages.length; ) {
      const unit = unitFrom(messages, from);
      from += unit.length;
      const result = await this.#parts.publisher.publish(unit as [Message, ...Message[]]);
      if (!result.ok && result.code === refusal.batchDuplicate) {
        // Stored before, and the answer was lost: asked one by one, the server says where.
        const found = await this.#plainSingles(unit, seqs);
        if (!found.ok) return found;
        continue;
      }
      if (!result.ok) return failureOf(result);
      for (let i = unit.length - 1; i >= 0; i--) seqs.push(result.seq - i);
      for (const message of unit) this.#parts.stored(result.seq, 1, sizeOf(message));
    }
    return { ok: true, seqs, duplicate: false };
  }

  /** Sent one after the other without waiting: only the loss of a server, or overload, can change their order. */
  async #plainSingles(messages: readonly Message[], seqs: Seq[]): Promise<AppendResult> {
    const results = await Promise.all(messages.map((message) => this.#parts.publisher.publish([message])));
    for (const [i, result] of results.entries()) {
      if (!result.ok) return failureOf(result);
      seqs.push(result.seq);
      this.#parts.stored(result.seq, 1, sizeOf(messages[i] as Message));
    }
    return { ok: true, seqs, duplicate: false };
  }

  // --- steps ---

  async #step(request: AppendRequest): Promise<AppendResult> {
    const { once, numbered, journal } = request;
    const name = once?.producer ?? numbered?.producer ?? (journal as NonNullable<typeof journal>).key.id;
    const key = once?.key ?? this.#parts.op();
    if (!this.#parts.steps.atomic) return this.#stepWithoutBatch(request, key);
    for (let tries = 0; tries < stepTriesMax; tries++) {
      const result = await this.#tryStep(request, name, key);
      if (result !== "fenced") return result;
      // Who claimed the producer may have been refused by the journal: whether it ends elsewhere now decides.
    }
    return unavailable(`Producer ${name} is claimed by several nodes`);
  }

  async #tryStep(request: AppendRequest, name: string, key: string): Promise<AppendResult | "fenced"> {
    const { steps, producers, journals } = this.#parts;
    const { records, numbered, once, journal } = request;
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
    const step = { producer: name, key, records: messages, journal, chain: head.chain };
    const result = numbered === undefined ? await steps.do(step) : await this.#numberedStep(producer, step, numbered);
    if (!result.ok) return result.code === "fenced" && journal !== undefined ? "fenced" : stepFailure(result);
    this.#parts.stored(result.last, 0, 0);
    if (result.duplicate) return { ok: true, seqs: [result.first, result.last], duplicate: true };
    for (const message of messages) this.#parts.stored(result.last, 1, sizeOf(message));
    // Decided. If the journal cannot be reached now, whoever reads it next writes the entries.
    if (journal !== undefined) await journals.appendDecided(journal, result.chain).catch(() => undefined);
    return appended(request, plan.from, result.first);
  }

  /** The gateway asks for none; the port promises that whatever a request holds is one step. */
  async #numberedStep(producer: Producer, step: Step, { numbers }: ProducerNumbers): Promise<StepResult> {
    const { producers, steps } = this.#parts;
    let outcome: "known" | "unknown" = "known";
    try {
      if (!(await producers.begin(producer)))
        return { ok: false, code: "unavailable", message: `Producer ${producer.name} is another node's` };
      outcome = "unknown";
      const result = await steps.do(step);
      if (result.ok) producers.moved(producer, numbers.at(-1) ?? 0, result.last);
      if (result.ok) outcome = "known";
      return result;
    } finally {
      producers.ended(producer, outcome);
    }
  }

  #messageOf(producer: Producer, request: AppendRequest, i: number, record: AppendRequest["records"][number]): Message {
    const number = request.numbered?.numbers[i];
    if (number !== undefined)
      return this.#numbered.message(producer, {
        record,
        number,
        before: request.numbered?.numbers[i - 1] ?? producer.mark ?? 0,
      });
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
function numberedGroup(jobs: readonly Job[], from: number): readonly NumberedJob[] {
  const group: NumberedJob[] = [];
  for (let i = from; i < jobs.length && group.length < jobsMax; i++) {
    const job = jobs[i] as Job;
    const { numbered, once, journal } = job.request;
    if (numbered === undefined || once !== undefined || journal !== undefined) break;
    group.push(job as NumberedJob);
  }
  return group;
}

function unavailable(message: string, retryable = true): LogFailure {
  return { ok: false, code: "unavailable", message, retryable };
}

function stepFailure({ code, message }: StepResult & { readonly ok: false }): LogFailure {
  return code === "full" ? { ok: false, code, message, retryable: true } : unavailable(message);
}
