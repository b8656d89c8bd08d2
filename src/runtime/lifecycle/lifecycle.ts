/**
 * Tells services what happens to sessions, by records on `$lifecycle.session.<event>`: at least once, and never not at all.
 *
 * The journals are the truth, and nothing is remembered beside them: an entry's record is numbered like the entry, by the
 * producer `lifecycle/<session>`, so the log itself knows how far was told and drops what is told again. What a node could
 * not tell, because it died or the log was away, is told from the journal by whoever loads the session next.
 *
 * Why not in one step with the journal: docs/adr/0014-lifecycle-follows-the-journal.md.
 * @module
 */
import { decodeEvent } from "../../actors/session/persist.ts";
import { readJournal } from "../journal.ts";
import type { EventLog, JournalEntry, JournalKey, NewRecord } from "../log/event-log.ts";
import type { Counters } from "../metrics.ts";
import { pause } from "../pause.ts";
import type { Clock, Logger } from "../ports.ts";
import { type LifecycleEvent, lifecycleRecord } from "./fact.ts";

export type LifecycleParts = {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly events: readonly LifecycleEvent[];
};

/** How far a session's journal is told. */
type Telling = {
  readonly session: string;
  /** Undefined: nobody read it yet. */
  subject: string | undefined;
  /** The newest entry known here. */
  known: number;
  /** Entries up to here are told, or wait below. */
  upTo: number;
  /** The producer's last number. */
  mark: number;
  waiting: { readonly number: number; readonly record: NewRecord }[];
  /** Some of it is not known here: the journal is read. */
  behind: boolean;
  running: Promise<void> | undefined;
  /** The session is not on this node any more. */
  dropped: boolean;
};
type Numbered = Telling["waiting"][number];

export const lifecycleProducer = (session: string): string => `lifecycle/${session}`;

const retryMs = 1_000;
/** More than so many of one session are read from its journal instead of being kept here. */
const waitingMax = 256;
const batchMax = 64;
const catchingUpMax = 32;
const journalOf = (session: string): JournalKey => ({ kind: "session", id: session });

export class Lifecycle {
  readonly #parts: LifecycleParts;
  readonly #events: ReadonlySet<LifecycleEvent>;
  readonly #tellings = new Map<string, Telling>();
  /** Turns to read a journal. */
  #free = catchingUpMax;
  readonly #turns: (() => void)[] = [];
  #stopped = false;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
    this.#events = new Set(parts.events);
  }

  /** These entries of its journal are durable now, the first of them with this number. */
  written(session: string, first: number, entries: readonly Uint8Array[]): void {
    const telling = this.#tellings.get(session) ?? this.#begin(session, first === 1 ? 0 : undefined);
    telling.known = Math.max(telling.known, first + entries.length - 1);
    if (telling.behind || telling.upTo !== first - 1 || telling.waiting.length > waitingMax) fallBehind(telling);
    else {
      telling.waiting.push(
        ...this.#recordsOf(
          telling,
          entries.map((data, i) => ({ seq: first + i, data })),
        ),
      );
      telling.upTo = telling.known;
    }
    this.#run(telling);
  }

  /** It was loaded, its journal ends at `seq`: what was not told of it is told now. */
  loaded(session: string, { subject, seq }: { readonly subject?: string; readonly seq: number }): void {
    const telling = this.#tellings.get(session) ?? this.#begin(session, undefined);
    telling.subject ??= subject;
    telling.known = Math.max(telling.known, seq);
    telling.dropped = false;
    if (telling.upTo < telling.known) fallBehind(telling);
    this.#run(telling);
  }

  /** It is not on this node any more. What is under way is still told. */
  dropped(session: string): void {
    const telling = this.#tellings.get(session);
    if (telling === undefined) return;
    telling.dropped = true;
    if (telling.running === undefined) this.#tellings.delete(session);
  }

  /** Before its journal is removed. True: all of it is told. */
  async told(session: string): Promise<boolean> {
    const seq = await this.#parts.log.journals.lastSeq(journalOf(session));
    this.loaded(session, { seq });
    this.dropped(session);
    await this.#tellings.get(session)?.running;
    return !this.#stopped;
  }

  /** Resolves when what waits is told, or the log did not take it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const turn of this.#turns.splice(0)) turn();
    await Promise.all([...this.#tellings.values()].map(({ running }) => running));
  }

  /** `told` undefined: the log knows how far. */
  #begin(session: string, told: number | undefined): Telling {
    const telling: Telling = {
      ...{ session, subject: undefined, known: 0, upTo: told ?? 0, mark: 0, waiting: [] },
      ...{ behind: told === undefined, running: undefined, dropped: false },
    };
    this.#tellings.set(session, telling);
    return telling;
  }

  #run(telling: Telling): void {
    const hasWork = telling.behind || telling.waiting.length > 0;
    if (hasWork && !this.#stopped) telling.running ??= this.#tell(telling);
  }

  async #tell(telling: Telling): Promise<void> {
    while (telling.behind ? !this.#stopped : telling.waiting.length > 0) {
      try {
        if (telling.behind) await this.#inTurn(() => this.#catchUp(telling));
        else await this.#append(telling, telling.waiting.splice(0, batchMax));
      } catch (error) {
        fallBehind(telling);
        const { session } = telling;
        this.#parts.logger.log("warn", "lifecycle not told yet", { session, error: String(error), retryMs });
        if (!this.#stopped) await pause(this.#parts.clock, retryMs);
      }
    }
    // In the same step as the look at what waits: what is written from now on begins it anew.
    telling.running = undefined;
    if (telling.dropped) this.#tellings.delete(telling.session);
  }

  /** What the journal holds and the log has no record of. */
  async #catchUp(telling: Telling): Promise<void> {
    const { log } = this.#parts;
    const { known } = telling;
    const key = journalOf(telling.session);
    telling.mark = (await log.producerMark(lifecycleProducer(telling.session))) ?? 0;
    telling.upTo = telling.mark;
    telling.subject ??= await this.#subjectOf(key);
    if (telling.upTo < known)
      for await (const entries of readJournal(log, key, telling.upTo)) {
        const records = this.#recordsOf(telling, entries);
        for (let i = 0; i < records.length; i += batchMax) await this.#append(telling, records.slice(i, i + batchMax));
        telling.upTo = (entries.at(-1) as JournalEntry).seq;
        if (this.#stopped) return;
      }
    // What was written meanwhile may have been read, or not. What was known before and is not there is gone.
    telling.behind = telling.known > known && telling.upTo < telling.known;
  }

  /** The first entry of every journal says it. */
  async #subjectOf(key: JournalKey): Promise<string> {
    const [first] = await this.#parts.log.journals.read(key, 0, 1);
    const opened = first === undefined ? undefined : decodeEvent(first.data);
    return opened?.type === "Opened" ? opened.subject : "";
  }

  /** Throws when the log did not take them. */
  async #append(telling: Telling, told: readonly Numbered[]): Promise<void> {
    const numbers = told.map(({ number }) => number);
    const last = numbers.at(-1);
    if (last === undefined) return;
    const result = await this.#parts.log.append({
      records: told.map(({ record }) => record),
      numbered: { producer: lifecycleProducer(telling.session), after: telling.mark, numbers },
    });
    if (!result.ok) throw new Error(result.message);
    telling.mark = last;
    this.#parts.counters.lifecycleRecords += numbers.length;
  }

  #recordsOf(telling: Telling, entries: readonly Pick<JournalEntry, "seq" | "data">[]): Numbered[] {
    const { session } = telling;
    return entries.flatMap(({ seq, data }) => {
      const event = decodeEvent(data);
      if (event.type === "Opened") telling.subject = event.subject;
      const record = lifecycleRecord(event, { session, subject: telling.subject ?? "", seq }, this.#events);
      return record === undefined ? [] : [{ number: seq, record }];
    });
  }

  async #inTurn(run: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#turns.push(resolve));
    try {
      if (!this.#stopped) await run();
    } finally {
      const next = this.#turns.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

function fallBehind(telling: Telling): void {
  telling.behind = true;
  telling.waiting = [];
}
