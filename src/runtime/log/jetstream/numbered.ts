/**
 * Stores a producer's numbered records in their order, each once, in one of three ways.
 *
 * On one server several appends are under way at once: it stores a prefix of what was sent. If it refuses one in the
 * middle all the same, everything behind that is answered as not stored; what was stored of it is remembered.
 *
 * Owns: `mark` of a producer grows without a hole.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";
import { planAppend } from "../append-plan.ts";
import type { AppendRequest, AppendResult, LogFailure, NewRecord, ProducerNumbers } from "../event-log.ts";
import { header } from "./headers.ts";
import { Line } from "./line.ts";
import type { Producer, Producers } from "./producers.ts";
import { failureOf, type Message, type Published, type Publisher, refusal } from "./publisher.ts";
import { numberId, recordMessage } from "./records.ts";
import type { Subjects } from "./subjects.ts";

/**
 * How several records of one producer are stored in order. pipeline: sent one after the other to the one server there
 * is · batch: atomic batches, which a cluster stores as fast as single messages · single: the next one after the
 * answer to the one before.
 */
export type Ordering = "pipeline" | "batch" | "single";

export type NumberedParts = {
  readonly publisher: Publisher;
  readonly subjects: Subjects;
  readonly producers: Producers;
  readonly ordering: Ordering;
  /** These records are stored; none: the log goes that far. */
  readonly stored: (last: Seq, count: number, bytes: number) => void;
};

type Numbered = AppendRequest & { readonly numbered: ProducerNumbers };
export type NumberedJob = { readonly request: Numbered; readonly resolve: (result: AppendResult) => void };
type One = { readonly number: number; readonly message: Message };
/** What a job is answered: at once, or when its records from `from` on are stored, and so `end` of all that is sent. */
type Planned = {
  readonly job: NumberedJob;
  readonly from: number;
  readonly end: number;
  readonly answer: AppendResult | undefined;
};
type Plan = { readonly planned: readonly Planned[]; readonly ones: readonly One[] };
type Outcome = "known" | "unknown";
type Refused = Published & { readonly ok: false };

/** Of the server for a batch; a step's deciding message counts. */
export const batchMessagesMax = 1_000;
const batchBytesMax = 4 * 1_048_576;

export class NumberedAppends {
  readonly #parts: NumberedParts;
  readonly #lines = new Map<string, Line>();

  constructor(parts: NumberedParts) {
    this.#parts = parts;
  }

  /** Comes back when the next append of this producer may come: its answers may still be under way. */
  async append(jobs: readonly NumberedJob[]): Promise<void> {
    const { producers, ordering } = this.#parts;
    const producer = await producers.get((jobs[0] as NumberedJob).request.numbered.producer);
    const line = this.#lines.get(producer.name) ?? this.#newLine(producer.name);
    const { breaks } = line;
    const { planned, ones } = this.#plan(producer, line.mark ?? producer.mark, jobs);
    if (ones.length === 0) return this.#send(producer, line, { planned, ones });
    if (!(await producers.begin(producer)) || line.breaks !== breaks) {
      producers.ended(producer, "known");
      return this.#send(producer, line, { planned, ones: [] });
    }
    if (ordering !== "pipeline") {
      const stored: Seq[] = [];
      const failed = await this.#inUnits(producer, ones, stored);
      producers.ended(producer, failed?.code === "unavailable" ? "unknown" : "known");
      return answerAll(planned, { producer, stored, failure: failed === undefined ? notWhole : failureOf(failed) });
    }
    line.mark = (ones[ones.length - 1] as One).number;
    this.#send(producer, line, { planned, ones });
  }

  /** Resolves when everything that was sent for this producer is answered. */
  async settled(producer: string): Promise<void> {
    await this.#lines.get(producer)?.settled();
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line.settled()));
  }

  message(
    producer: Producer,
    { record, number, before }: { readonly record: NewRecord; readonly number: number; readonly before: number },
  ): Message {
    const message = recordMessage(this.#parts.subjects, record, numberId(producer.name, number, producer.life));
    return before === number - 1 ? message : { ...message, fields: { ...message.fields, [header.after]: before } };
  }

  #newLine(name: string): Line {
    const line: Line = new Line(name, () => {
      if (this.#lines.get(name) === line) this.#lines.delete(name);
    });
    return line;
  }

  /** What each request is: answered already, or so many of its records are to be stored. */
  #plan(producer: Producer, from: number | undefined, jobs: readonly NumberedJob[]): Plan {
    const planned: Planned[] = [];
    const ones: One[] = [];
    let mark = from;
    const view = { mark: () => mark, done: () => undefined, journalHead: () => 0 };
    for (const job of jobs) {
      const { request } = job;
      const plan = planAppend(request, view);
      if (plan.kind === "answer") {
        planned.push({ job, from: 0, end: 0, answer: plan.result });
        continue;
      }
      for (let i = plan.from; i < request.records.length; i++) {
        const number = request.numbered.numbers[i] as number;
        const record = request.records[i] as NewRecord;
        ones.push({ number, message: this.message(producer, { record, number, before: mark ?? 0 }) });
        mark = number;
      }
      planned.push({ job, from: plan.from, end: ones.length, answer: undefined });
    }
    return { planned, ones };
  }

  /** One after the other without waiting. Each append is answered as soon as its own records are stored. */
  #send(producer: Producer, line: Line, { planned, ones }: Plan): void {
    const { producers, publisher } = this.#parts;
    const stored: Seq[] = [];
    const { breaks } = line;
    let outcome: Outcome = "known";
    let answered = 0;
    let failure = notWhole;
    const refused = (result: Refused): void => {
      if (result.code === "unavailable") outcome = "unknown";
      if (failure === notWhole) failure = failureOf(result);
      if (line.breaks !== breaks) return;
      line.breaks++;
      line.mark = undefined;
    };
    for (const { number } of ones) producers.sent(producer, number);
    this.#lines.set(line.name, line); // It may have run empty while this append was being prepared.
    const settled = line.push({
      count: ones.length,
      take: (result, i) => {
        const one = ones[i] as One;
        if (result.ok || result.code !== "unavailable") producer.underWay.delete(one.number);
        if (!result.ok) return refused(result);
        if (line.breaks === breaks) {
          this.#note(producer, one, result, stored);
          while ((planned[answered]?.end ?? Number.POSITIVE_INFINITY) <= stored.length)
            answerAll([planned[answered++] as Planned], { producer, stored, failure });
        } else if (one.number > (producer.mark ?? 0)) producer.ahead.set(one.number, result.seq);
      },
      done: () => {
        if (ones.length > 0) producers.ended(producer, outcome);
        answerAll(planned.slice(answered), { producer, stored, failure });
      },
    });
    if (producer.ahead.size === 0)
      return publisher.publishEach(
        ones.map(({ message }) => message),
        line.name,
        settled,
      );
    for (const [i, { number, message }] of ones.entries()) {
      const ahead = producer.ahead.get(number);
      if (ahead !== undefined) settled({ ok: true, seq: ahead, duplicate: true }, i);
      else publisher.publishEach([message], line.name, (result) => settled(result, i));
    }
  }

  /** Answers the refusal that ended it, if one did. */
  async #inUnits(producer: Producer, ones: readonly One[], stored: Seq[]): Promise<Refused | undefined> {
    const messages = ones.map(({ message }) => message);
    for (let from = 0; from < ones.length; ) {
      const size = this.#parts.ordering === "batch" ? unitFrom(messages, from).length : 1;
      const unit = ones.slice(from, from + size);
      from += size;
      const result = size === 1 ? undefined : await this.#publish(unit);
      if (result?.ok === true) {
        const first = result.seq - size + 1;
        for (const [i, one] of unit.entries()) this.#note(producer, one, { ...result, seq: first + i }, stored);
        continue;
      }
      if (result !== undefined && result.code !== refusal.batchDuplicate) return result;
      // Some of it is stored already: one by one the server says which.
      for (const one of unit) {
        const single = await this.#publishOne(producer, one);
        if (!single.ok) return single;
        this.#note(producer, one, single, stored);
      }
    }
    return undefined;
  }

  #publish(unit: readonly One[]): Promise<Published> {
    return this.#parts.publisher.publish(unit.map(({ message }) => message) as [Message, ...Message[]]);
  }

  #publishOne(producer: Producer, { number, message }: One): Promise<Published> {
    const ahead = producer.ahead.get(number);
    if (ahead !== undefined) return Promise.resolve({ ok: true, seq: ahead, duplicate: true });
    return this.#parts.publisher.publish([message]);
  }

  #note(producer: Producer, { number, message }: One, result: Published & { ok: true }, stored: Seq[]): void {
    stored.push(result.seq);
    producer.ahead.delete(number);
    this.#parts.producers.moved(producer, number, result.seq);
    this.#parts.stored(result.seq, result.duplicate ? 0 : 1, result.duplicate ? 0 : sizeOf(message));
  }
}

const notWhole: LogFailure = {
  ok: false,
  code: "unavailable",
  message: "NATS did not store what came before it",
  retryable: true,
};

type Known = { readonly producer: Producer; readonly stored: readonly Seq[]; readonly failure: LogFailure };

function answerAll(planned: readonly Planned[], { producer, stored, failure }: Known): void {
  for (const { job, from, end, answer } of planned) {
    // What was under way when this was planned may have been given up since.
    const isTrue = answer?.ok !== true || (job.request.numbered.numbers.at(-1) ?? 0) <= (producer.mark ?? 0);
    if (answer !== undefined) job.resolve(isTrue ? answer : failure);
    else if (end > stored.length) job.resolve(failure);
    else {
      const unknown = new Array<Seq>(from).fill(0);
      const seqs = stored.slice(end - (job.request.records.length - from), end);
      job.resolve({ ok: true, seqs: from === 0 ? seqs : [...unknown, ...seqs], duplicate: false });
    }
  }
}

/** So many from here on as fit in one batch. */
export function unitFrom(messages: readonly Message[], from: number): readonly Message[] {
  let bytes = 0;
  let to = from;
  while (to < messages.length && to - from < batchMessagesMax) {
    bytes += sizeOf(messages[to] as Message);
    if (to > from && bytes > batchBytesMax) break;
    to++;
  }
  return messages.slice(from, to);
}

export function sizeOf({ subject, payload }: Message): number {
  return subject.length + payload.byteLength;
}
