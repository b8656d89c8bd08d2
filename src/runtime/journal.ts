/**
 * Writes one actor's journal: entries in order, several waiting ones in one append, each append with the number
 * of the last entry that this writer knows. Of two writers one meets `conflict`, and has lost the journal for good.
 *
 * A failing log is tried again with backoff, a bounded number of times.
 * @module
 */
import { assert } from "../protocol/assert.ts";
import type { AppendResult, EventLog, JournalAppend, JournalEntry, JournalKey } from "./log/event-log.ts";
import { pause } from "./pause.ts";
import type { Clock } from "./ports.ts";

/** The journal belongs to somebody else now, or could not be written in a bounded number of tries. */
export class JournalLost extends Error {
  override readonly name = "JournalLost";
  readonly because: "conflict" | "unavailable" | "stopped";
  constructor(because: JournalLost["because"], message: string) {
    super(message);
    this.because = because;
  }
}

export type JournalPlace = {
  readonly key: JournalKey;
  readonly seq: number;
  /** Told of what is durable: its first entry's number, and the entries. */
  readonly written?: (first: number, entries: readonly Uint8Array[]) => void;
};

/** Does an append whose journal part is given; for steps that hold more than the journal. */
export type Perform = (journal: JournalAppend) => Promise<AppendResult>;
type Job = {
  readonly entries: readonly Uint8Array[];
  readonly perform: Perform | undefined;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: JournalLost) => void;
};

const triesMax = 8;
const retryMs = 50;
const readMax = 1_024;

export class Journal {
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly key: JournalKey;
  /** Number of the last entry written. */
  seq: number;
  readonly #written: JournalPlace["written"];
  readonly #waiting: Job[] = [];
  #writing = false;
  #writer: Promise<void> | undefined;
  #unwritten = 0;
  #lost: JournalLost | undefined;

  constructor(log: EventLog, clock: Clock, at: JournalPlace) {
    this.#log = log;
    this.#clock = clock;
    this.key = at.key;
    this.seq = at.seq;
    this.#written = at.written;
  }

  /** Resolves when the entries are durable. */
  async append(entries: readonly Uint8Array[]): Promise<void> {
    await this.#enqueue(entries, undefined);
  }

  /** Written with what comes next, in the same append; never, if nothing does. */
  owe(entries: readonly Uint8Array[]): void {
    if (this.#lost !== undefined) return;
    this.#unwritten++;
    this.#waiting.push({ entries, perform: undefined, resolve: () => undefined, reject: () => undefined });
  }

  /**
   * One atomic step with these entries, after everything that waits here. Answers what `perform` answered; a
   * refusal other than `conflict` leaves the journal as it was.
   */
  step(entries: readonly Uint8Array[], perform: Perform): Promise<AppendResult> {
    return this.#enqueue(entries, perform);
  }

  /** Something waits for what comes next. */
  get owes(): boolean {
    return !this.#writing && this.#waiting.length > 0;
  }

  /** Nothing waits or is being written. */
  get idle(): boolean {
    return this.#unwritten === 0;
  }

  /** Resolves when everything enqueued so far is written or lost. */
  async settled(): Promise<void> {
    await this.#writer;
  }

  /** Nothing is written any more; what waits is rejected. */
  stop(): void {
    this.#lose(new JournalLost("stopped", `journal ${this.key.kind}/${this.key.id} was let go`));
  }

  #enqueue(entries: readonly Uint8Array[], perform: Perform | undefined): Promise<AppendResult> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#unwritten++;
      this.#waiting.push({ entries, perform, resolve, reject });
      if (!this.#writing) {
        this.#writer = this.#write().finally(() => {
          this.#writer = undefined;
        });
      }
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0 && this.#lost === undefined) {
      const first = this.#waiting[0] as Job;
      if (first.perform !== undefined) await this.#writeStep(this.#waiting.shift() as Job, first.perform);
      else await this.#writeEntries();
    }
    this.#writing = false;
  }

  async #writeStep(job: Job, perform: Perform): Promise<void> {
    const result = await perform({ key: this.key, expected: this.seq, entries: job.entries });
    if (!result.ok && result.code === "conflict") {
      this.#lose(new JournalLost("conflict", result.message));
      job.reject(this.#lost as unknown as JournalLost);
      return;
    }
    if (result.ok && result.journalSeq !== undefined) this.#wrote(job.entries, result.journalSeq);
    this.#unwritten--;
    job.resolve(result);
  }

  async #writeEntries(): Promise<void> {
    const steps = this.#waiting.findIndex((job) => job.perform !== undefined);
    const jobs = this.#waiting.splice(0, steps === -1 ? this.#waiting.length : steps);
    const entries = jobs.flatMap((job) => job.entries);
    for (let attempt = 0; this.#lost === undefined; attempt++) {
      const result = await this.#log.journals.append({ key: this.key, expected: this.seq, entries });
      if (result.ok) {
        this.#wrote(entries, result.seq);
        this.#unwritten -= jobs.length;
        for (const job of jobs) job.resolve({ ok: true, seqs: [], duplicate: false, journalSeq: result.seq });
        return;
      }
      if (result.code === "conflict") this.#lose(new JournalLost("conflict", result.message));
      else if (attempt + 1 >= triesMax) this.#lose(new JournalLost("unavailable", result.message));
      else await pause(this.#clock, retryMs * 2 ** attempt);
    }
    for (const job of jobs) job.reject(this.#lost);
  }

  #wrote(entries: readonly Uint8Array[], seq: number): void {
    const first = this.seq + 1;
    this.seq = seq;
    this.#written?.(first, entries);
  }

  #lose(error: JournalLost): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    for (const job of this.#waiting.splice(0)) job.reject(error);
  }
}

/** Every entry after `after`, page by page. */
export async function* readJournal(
  log: { readonly journals: Pick<EventLog["journals"], "read"> },
  key: JournalKey,
  after: number,
): AsyncGenerator<readonly JournalEntry[]> {
  for (let from = after; ; ) {
    const page = await log.journals.read(key, from, readMax);
    if (page.length > 0) yield page;
    if (page.length < readMax) return;
    const last = page[page.length - 1];
    assert(last !== undefined && last.seq > from, `journal ${key.kind}/${key.id} moves forward`);
    from = last.seq;
  }
}
