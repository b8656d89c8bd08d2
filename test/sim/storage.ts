/**
 * The one log of a world: the production memory log, reopened from what was durable after each crash, slow,
 * stalled or failing when the faults say so.
 * @module
 */
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import { type MemoryLog, openMemoryLog } from "../../src/runtime/log/memory.ts";
import { portsClock, type SimClock, type SimProcess } from "./clock.ts";
import type { StoredRecord } from "./evidence.ts";
import { keyOf } from "./evidence.ts";
import { type JournalledEntry, lifecycleFilter, type ToldRecord } from "./lifecycle.ts";
import { logOf } from "./log.ts";
import type { Chance } from "./random.ts";

export class SimStorage {
  readonly transactions = true;
  readonly #clock: SimClock;
  readonly #skewMs: () => number;
  readonly #chance: Chance;
  readonly #flushMs: number;
  readonly #readMs: number;
  readonly #readOverhead: number;
  #failure: "full" | "unavailable" | undefined;
  #failsUntilMs = 0;
  #stalledUntilMs = 0;
  #log: MemoryLog;
  /** Of appends that are not answered. */
  #underWay = { records: 0 };
  readonly #contents: StoredRecord[] = [];
  readonly #told: ToldRecord[] = [];
  #contentsUpTo = 0;

  constructor(clock: SimClock, chance: Chance, skewMs: () => number) {
    this.#clock = clock;
    this.#chance = chance;
    this.#skewMs = skewMs;
    this.#flushMs = chance.pick([0, 0.5, 5, 40]);
    this.#readMs = chance.pick([0, 0, 2, 50]);
    this.#readOverhead = chance.fork("overhead of a read").pick([0, 2, 20, 1_000]);
    this.#log = this.#open({});
  }

  get lastSeq(): number {
    return this.#log.info().lastSeq;
  }

  get log(): MemoryLog {
    return this.#log;
  }

  for(process: SimProcess): EventLog {
    const readMs = (): number => (this.#readMs === 0 ? 0 : this.#chance.next() * this.#readMs);
    const log = logOf(process, this.#log, this.#clock, readMs);
    const under = this.#underWay;
    const append: EventLog["append"] = (request) => {
      under.records += request.records.length;
      return log.append(request).finally(() => {
        under.records -= request.records.length;
      });
    };
    return { ...log, append };
  }

  /** First seq that the log still holds. */
  get firstSeq(): number {
    return this.#log.info().firstSeq;
  }

  /** Retention leaves the newest so many records, and all that are not evidence yet. */
  trim(newest: number): void {
    this.contents();
    const records = newest + this.#underWay.records;
    this.#log.trim({ ageMs: 0, bytes: 0, records }).catch(() => undefined); // a log that fails trims another time
  }

  /** What was not flushed is forgotten. */
  crash(): void {
    this.#log = this.#open({ image: this.#log.crash() });
    this.#underWay = { records: 0 };
  }

  failFor(code: "full" | "unavailable", forMs: number): void {
    this.#failure = code;
    this.#failsUntilMs = this.#clock.nowMs + forMs;
  }

  stallFor(forMs: number): void {
    this.#stalledUntilMs = this.#clock.nowMs + forMs;
  }

  heal(): void {
    this.#failsUntilMs = 0;
    this.#stalledUntilMs = 0;
  }

  /** The whole log, for the checkers, in order. Wildcards leave out the topics that the gateway alone writes. */
  contents(): readonly StoredRecord[] {
    const after = this.#contentsUpTo;
    const { lastSeq: until } = this.#log.info();
    const found: StoredRecord[] = [];
    for (const filter of [">", "$dead.>"]) {
      void this.#log.read({ filter, after, until, recordsMax: 1e6, bytesMax: 1e12 }).then(({ records }) => {
        for (const { seq, topic, lane, payload, time } of records)
          found.push({ seq, topic, lane, key: keyOf(payload), time });
      });
    }
    void this.#log
      .read({ filter: lifecycleFilter, after, until, recordsMax: 1e6, bytesMax: 1e12 })
      .then(({ records }) => void this.#told.push(...records));
    this.#clock.settle();
    this.#contents.push(...found.sort((a, b) => a.seq - b.seq));
    this.#contentsUpTo = until;
    return this.#contents;
  }

  /** Every journal of a session, and every record that tells of one. */
  lifecycle(): { readonly journals: readonly JournalledEntry[]; readonly told: readonly ToldRecord[] } {
    const journals: JournalledEntry[] = [];
    const { list, read } = this.#log.journals;
    void list("session", "", 1e6).then((ids) => {
      for (const session of ids)
        void read({ kind: "session", id: session }, 0, 1e6).then((entries) => {
          for (const { seq, data } of entries) journals.push({ session, seq, data });
        });
    });
    this.contents();
    this.#clock.settle();
    return { journals, told: this.#told };
  }

  #open(from: { readonly image?: ReturnType<MemoryLog["crash"]> }): MemoryLog {
    const short = (): number => (this.#flushMs === 0 ? 0 : this.#chance.next() * this.#flushMs);
    return openMemoryLog({
      ...from,
      clock: portsClock(this.#clock, undefined, this.#skewMs),
      epoch: "sim",
      readOverhead: this.#readOverhead,
      flushMs: () => Math.max(short(), this.#stalledUntilMs - this.#clock.nowMs),
      answerMs: short,
      failure: () => (this.#clock.nowMs < this.#failsUntilMs ? this.#failure : undefined),
    });
  }
}
