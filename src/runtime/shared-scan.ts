/**
 * Lets readers that wait for pages of the log at the same time share passes over it: each picks from a stretch what
 * its filter matches. When thousands come back at once, a question to the log for each page of each of them would
 * take longer than reading everything that they missed.
 *
 * A reader is served by a pass that comes by its place, by one that is begun because enough wait for it to be worth
 * its cost, or by a question of its own. Few questions are under way at once: who waits meanwhile is seen together.
 *
 * Bounded: passes, questions, and what a pass holds. Owns: a page holds what `EventLog.read` would give,
 * perhaps not as far; a page that nobody wants any more is not read.
 * @module
 */
import type { Seq } from "../protocol/ids.ts";
import { isReserved } from "../protocol/topic.ts";
import type { EventLog, ReadPage } from "./log/event-log.ts";
import type { Clock } from "./ports.ts";
import type { RecentRecords } from "./recent-records.ts";
import { everything, ScanPass, type ScanRequest, unwanted, type Waiting } from "./scan-pass.ts";

export type ScanBounds = {
  readonly passesMax: number;
  /** Reads for one reader that are under way. */
  readonly questionsMax: number;
  /** Of what a pass reads at once. */
  readonly stretchRecords: number;
  readonly stretchBytes: number;
  /** Stretches are seen through before what was found in them is handed out, up to so much. */
  readonly seenRecords: number;
  readonly heldBytes: number;
};

export const scanBounds: ScanBounds = {
  passesMax: 4,
  questionsMax: 16,
  stretchRecords: 4_096,
  stretchBytes: 4 * 1_048_576,
  seenRecords: 65_536,
  heldBytes: 8 * 1_048_576,
};

export type ScanParts = { readonly log: EventLog; readonly recent: RecentRecords; readonly clock: Clock };

/** Filters of which it is remembered how much they match; more than this and the memory starts anew. */
const densitiesMax = 8_192;

export class SharedScan {
  readonly #parts: ScanParts;
  readonly #bounds: ScanBounds;
  readonly #passes = new Set<ScanPass>();
  #waiting: Waiting[] = [];
  #questions = 0;
  #looking = false;
  /** What part of the log's records a filter matched when it was last read. */
  readonly #densities = new Map<string, number>();

  constructor(parts: ScanParts, bounds: ScanBounds = scanBounds) {
    this.#parts = parts;
    this.#bounds = bounds;
  }

  /** As EventLog.read, forward. A page that is no longer wanted is empty. */
  read(request: ScanRequest): Promise<ReadPage> {
    const { log } = this.#parts;
    // No pass gives what is reserved: a wildcard does not match it.
    if (log.readOverhead === 0 || isReserved(request.filter)) return log.read(request);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, passed: request.after, resolve, reject });
      this.#lookSoon();
    });
  }

  /** Who came in this tick is seen together. */
  #lookSoon(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#parts.clock.soon(() => {
      this.#looking = false;
      this.#look();
    });
  }

  /** Begins what is worth beginning for those who wait. */
  #look(): void {
    this.#waiting = this.#waiting.filter(isWanted).sort((a, b) => a.passed - b.passed);
    const { from, isLed } = this.#plan();
    const first = this.#waiting[from];
    if (first === undefined || isLed) return this.#ask(from);
    if (this.#passes.size >= this.#bounds.passesMax) return this.#ask(this.#waiting.length);
    const pass = new ScanPass(first.passed);
    this.#passes.add(pass);
    void this.#run(pass);
    this.#ask(from);
  }

  /**
   * Index of the first who waits from whose place on a pass is worth it, over every gap to the next place and to the
   * end. Led: a pass that is under way comes by there.
   */
  #plan(): { readonly from: number; readonly isLed: boolean } {
    const waiting = this.#waiting;
    const passes = [...this.#passes].sort((a, b) => a.at - b.at);
    const end = this.#furthest();
    let plan = { from: 0, isLed: false };
    let together = nobody;
    for (let i = 0, p = 0; i < waiting.length || p < passes.length; ) {
      const [reader, pass] = [waiting[i], passes[p]];
      let here: Seq;
      if (pass !== undefined && (reader === undefined || pass.at <= reader.passed)) {
        if (together === nobody) plan = { ...plan, isLed: true };
        together = sum(together, this.#weightOf(pass));
        here = pass.at;
        p++;
      } else {
        const { request, passed } = reader as Waiting;
        together = sum(together, { readers: 1, density: this.#densityOf(request.filter) });
        here = passed;
        i++;
      }
      const next = Math.min(waiting[i]?.passed ?? end, passes[p]?.at ?? end);
      if (this.#isWorth(together, next - here)) continue;
      plan = { from: i, isLed: false };
      together = nobody;
    }
    return plan;
  }

  /** As far as anybody reads. */
  #furthest(): Seq {
    let furthest = 0;
    for (const { request } of this.#waiting) furthest = Math.max(furthest, request.until);
    for (const { until } of this.#passes) furthest = Math.max(furthest, until);
    return furthest;
  }

  #densityOf(filter: string): number {
    return this.#densities.get(filter) ?? 0;
  }

  #weightOf(pass: ScanPass): Together {
    return { readers: pass.size, density: pass.density((filter) => this.#densityOf(filter)) };
  }

  /** Passing over so many records costs no more than a question for each reader, with the records that it brings. */
  #isWorth({ readers, density }: Together, records: number): boolean {
    return readers * this.#parts.log.readOverhead + density * records >= records;
  }

  /** Those up to there are asked for by themselves, as far as there is room. */
  #ask(upTo: number): void {
    const count = Math.min(upTo, this.#bounds.questionsMax - this.#questions);
    for (const reader of this.#waiting.splice(0, Math.max(0, count))) {
      this.#questions++;
      void this.#askFor(reader).finally(() => {
        this.#questions--;
        this.#lookSoon();
      });
    }
  }

  async #askFor({ request, passed, resolve, reject }: Waiting): Promise<void> {
    const { filter, until, recordsMax, bytesMax } = request;
    try {
      const page = await this.#parts.log.read({ filter, after: passed, until, recordsMax, bytesMax });
      this.#learn(filter, page.records.length / Math.max(1, page.scannedTo - passed));
      resolve(page);
    } catch (error) {
      reject(error);
    }
  }

  #learn(filter: string, density: number): void {
    if (this.#densities.size >= densitiesMax) this.#densities.clear();
    this.#densities.set(filter, density);
  }

  async #run(pass: ScanPass): Promise<void> {
    try {
      this.#takeUp(pass, pass.at + 1);
      do await this.#stretch(pass);
      while (pass.size > 0 && this.#isWorthGoingOn(pass));
      await this.#handOut(pass);
      this.#waiting.push(...pass.leave());
    } catch (error) {
      for (const { reject } of pass.leave()) reject(error);
    } finally {
      this.#passes.delete(pass);
      this.#lookSoon();
    }
  }

  async #stretch(pass: ScanPass): Promise<void> {
    const { at, until } = pass;
    const page = await this.#page(at, until);
    this.#takeUp(pass, Math.max(page.scannedTo, at + 1));
    pass.take(page, until);
    if (page.done || pass.seen >= this.#bounds.seenRecords || pass.bytes >= this.#bounds.heldBytes)
      return this.#handOut(pass);
    await pass.handOutLast(() => this.#pause());
    await this.#pause();
    this.#takeUp(pass, pass.at + 1);
  }

  /** Everything that was found. Who was given a page comes for the next one: what is held may be more than one. */
  async #handOut(pass: ScanPass): Promise<void> {
    const pause = () => this.#pause();
    do {
      await pass.handOut(pause);
      await pause();
    } while (this.#takeUp(pass, pass.at + 1) > 0);
    for (const [filter, density] of pass.clear()) this.#learn(filter, density);
  }

  async #page(after: Seq, until: Seq): Promise<ReadPage> {
    const { log, recent } = this.#parts;
    const { stretchRecords: records, stretchBytes: bytes } = this.#bounds;
    if (recent.covers(after)) return recent.read(everything, after, { records, bytes });
    return log.read({ filter: everything, after, until, recordsMax: records, bytesMax: bytes });
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.soon(resolve));
  }

  /** Those whose place is before `end` and not before what the pass holds; answers how many. */
  #takeUp(pass: ScanPass, end: Seq): number {
    const before = this.#waiting.length;
    this.#waiting = this.#waiting.filter((reader) => reader.passed >= end || !pass.join(reader));
    return before - this.#waiting.length;
  }

  #isWorthGoingOn(pass: ScanPass): boolean {
    let next = pass.until;
    for (const { passed } of this.#waiting) if (passed > pass.at) next = Math.min(next, passed);
    for (const { at } of this.#passes) if (at > pass.at) next = Math.min(next, at);
    return this.#isWorth(this.#weightOf(pass), next - pass.at);
  }
}

type Together = { readonly readers: number; readonly density: number };
const nobody: Together = { readers: 0, density: 0 };

function sum(a: Together, b: Together): Together {
  return { readers: a.readers + b.readers, density: a.density + b.density };
}

/** Whoever is not wanted any more goes with an empty page. */
function isWanted(reader: Waiting): boolean {
  if (reader.request.isWanted()) return true;
  reader.resolve(unwanted(reader));
  return false;
}
