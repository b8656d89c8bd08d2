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
/** What a job is answered: at once, or when its records from `from` on are stored. */
type Planned = { readonly job: NumberedJob; readonly from: number; readonly answer: AppendResult | undefined };
type Outcome = "known" | "unknown";
type Refused = Published & { readonly ok: false };

/** Appends of a producer that were sent and are not all answered. */
type Line = {
  readonly name: string;
  /** The mark when all of them are stored. */
  mark: number | undefined;
  /** Counts what broke it: what was planned before is not stored without a hole. */
  breaks: number;
  tail: Promise<void>;
};

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
    const line = this.#line(producer);
    const { planned, ones } = this.#plan(producer, line.mark ?? producer.mark, jobs);
    if (ones.length === 0) return this.#afterTail(line, () => answerAll(planned, new Map()));
    if (!(await producers.begin(producer))) {
      producers.ended(producer, "known");
      return answerAll(planned, new Map());
    }
    if (ordering !== "pipeline") {
      const stored = new Map<number, Seq>();
      const failed = await this.#inUnits(producer, ones, stored);
      producers.ended(producer, failed?.code === "unavailable" ? "unknown" : "known");
      return answerAll(planned, stored, failed === undefined ? notWhole : failureOf(failed));
    }
    line.mark = (ones[ones.length - 1] as One).number;
    const results = ones.map((one) => this.#publishOne(producer, one));
    const { breaks } = line;
    this.#afterTail(line, () => this.#settle(producer, line, { planned, ones, results, breaks }));
  }

  /** Resolves when everything that was sent for this producer is answered. */
  async settled(producer: string): Promise<void> {
    await this.#lines.get(producer)?.tail;
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ tail }) => tail));
  }

  message(
    producer: Producer,
    { record, number, before }: { readonly record: NewRecord; readonly number: number; readonly before: number },
  ): Message {
    const message = recordMessage(this.#parts.subjects, record, numberId(producer.name, number, producer.life));
    return before === number - 1 ? message : { ...message, fields: { ...message.fields, [header.after]: before } };
  }

  #line({ name }: Producer): Line {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = { name, mark: undefined, breaks: 0, tail: Promise.resolve() };
      this.#lines.set(name, line);
    }
    return line;
  }

  #afterTail(line: Line, run: () => void | Promise<void>): void {
    const tail = line.tail.then(run);
    line.tail = tail;
    this.#lines.set(line.name, line); // it may have run empty while its next append was being prepared
    void tail.then(() => {
      if (line.tail === tail) this.#lines.delete(line.name);
    });
  }

  /** What each request is: answered already, or so many of its records are to be stored. */
  #plan(producer: Producer, from: number | undefined, jobs: readonly NumberedJob[]) {
    const planned: Planned[] = [];
    const ones: One[] = [];
    let mark = from;
    for (const job of jobs) {
      const { request } = job;
      const plan = planAppend(request, { mark: () => mark, done: () => undefined, journalHead: () => 0 });
      if (plan.kind === "answer") planned.push({ job, from: 0, answer: plan.result });
      else {
        planned.push({ job, from: plan.from, answer: undefined });
        for (let i = plan.from; i < request.records.length; i++) {
          const number = request.numbered.numbers[i] as number;
          const record = request.records[i] as NewRecord;
          ones.push({ number, message: this.message(producer, { record, number, before: mark ?? 0 }) });
          mark = number;
        }
      }
    }
    return { planned, ones };
  }

  /** In the order in which they were sent. Each append is answered as soon as its own records are stored. */
  async #settle(
    producer: Producer,
    line: Line,
    sent: {
      readonly planned: readonly Planned[];
      readonly ones: readonly One[];
      readonly results: readonly Promise<Published>[];
      readonly breaks: number;
    },
  ): Promise<void> {
    const stored = new Map<number, Seq>();
    let outcome: Outcome = "known";
    let answered = 0;
    let failure = notWhole;
    for (const [i, one] of sent.ones.entries()) {
      const result = await (sent.results[i] as Promise<Published>);
      if (!result.ok) {
        if (result.code === "unavailable") outcome = "unknown";
        if (failure === notWhole) failure = failureOf(result);
        if (line.breaks !== sent.breaks) continue;
        line.breaks++;
        line.mark = undefined;
      } else if (line.breaks === sent.breaks) {
        this.#note(producer, one, result, stored);
        answered = answerUpTo(sent.planned, answered, { mark: one.number, stored });
      } else if (one.number > (producer.mark ?? 0)) producer.ahead.set(one.number, result.seq);
    }
    this.#parts.producers.ended(producer, outcome);
    answerAll(sent.planned.slice(answered), stored, failure);
  }

  /** Answers the refusal that ended it, if one did. */
  async #inUnits(producer: Producer, ones: readonly One[], stored: Map<number, Seq>): Promise<Refused | undefined> {
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
    return this.#parts.publisher.publish([message], this.#parts.ordering === "pipeline" ? producer.name : "");
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
}

/** Answers, in order, those whose records are all stored; how many are answered then. */
function answerUpTo(
  planned: readonly Planned[],
  from: number,
  { mark, stored }: { readonly mark: number; readonly stored: ReadonlyMap<number, Seq> },
): number {
  let at = from;
  for (; at < planned.length; at++) {
    const next = planned[at] as Planned;
    if (next.answer === undefined && (next.job.request.numbered.numbers.at(-1) ?? 0) > mark) break;
    answerAll([next], stored);
  }
  return at;
}

const notWhole: LogFailure = {
  ok: false,
  code: "unavailable",
  message: "NATS did not store what came before it",
  retryable: true,
};

function answerAll(planned: readonly Planned[], stored: ReadonlyMap<number, Seq>, failure = notWhole): void {
  for (const { job, from, answer } of planned) job.resolve(answer ?? answerOf(job.request, from, stored) ?? failure);
}

/** Absent: not all of it is stored. */
function answerOf(request: Numbered, from: number, stored: ReadonlyMap<number, Seq>): AppendResult | undefined {
  const { numbers } = request.numbered;
  const seqs = numbers.map((number, i) => (i < from ? 0 : stored.get(number)));
  if (seqs.some((seq) => seq === undefined)) return undefined;
  return { ok: true, seqs: seqs as Seq[], duplicate: from > 0 && from === numbers.length };
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
