/**
 * Whatever filters and places readers have, however they come, go and wait while records are appended and trimmed:
 * the pages of each hold what reading the log would give, each once, and nobody waits for ever.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { recordBytes } from "../../src/protocol/frame.ts";
import type { LogEpoch, Seq } from "../../src/protocol/ids.ts";
import { matches } from "../../src/protocol/topic.ts";
import type { EventLog, LogRecord, ReadPage } from "../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../src/runtime/log/memory.ts";
import { RecentRecords } from "../../src/runtime/recent-records.ts";
import { type ScanBounds, SharedScan } from "../../src/runtime/shared-scan.ts";
import { ManualClock } from "../support/manual-clock.ts";

const runs = 1_500;
/** Without a page for anybody. */
const stillTurnsMax = 300;
const testMsMax = 120_000;

type WorldOptions = {
  readonly bounds: ScanBounds;
  readonly readOverhead: number;
  readonly recentRecords: number;
  /** Of the log's answers, one after the other. */
  readonly readMs: readonly number[];
};

class World {
  readonly clock = new ManualClock();
  readonly scan: SharedScan;
  readonly readers: Reading[] = [];
  /** Everything that was ever appended. */
  readonly appended: LogRecord[] = [];
  readonly #log: EventLog;
  reads = 0;

  constructor({ bounds, readOverhead, recentRecords, readMs }: WorldOptions) {
    const log = openMemoryLog({ clock: this.clock, epoch: "e" as LogEpoch, readOverhead });
    this.#log = log;
    const recent = new RecentRecords(0, { recordsMax: recentRecords, bytesMax: 1_000_000 });
    log.follow(0, (records) => {
      for (const record of records) recent.push(record);
      this.appended.push(...records);
    });
    const slow: Pick<EventLog, "read" | "readOverhead"> = {
      readOverhead,
      read: async (request) => {
        const page = await log.read(request);
        const delayMs = readMs[this.reads++ % readMs.length] ?? 0;
        await new Promise<void>((resolve) => this.clock.after(delayMs, resolve));
        return page;
      },
    };
    this.scan = new SharedScan({ log: slow as EventLog, recent, clock: this.clock }, bounds);
  }

  get firstSeq(): Seq {
    return this.#log.info().firstSeq;
  }
  get lastSeq(): Seq {
    return this.appended.at(-1)?.seq ?? 0;
  }

  append(topics: readonly string[]): void {
    const record = { id: "", lane: 2, payload: new Uint8Array(10) } as const;
    void this.#log.append({ records: topics.map((topic) => ({ topic, ...record })) });
  }

  trim(keep: number): void {
    void this.#log.trim({ ageMs: 0, bytes: 0, records: keep });
  }

  /** Until all have read to the end; one that gets no further is stuck. */
  async settle(): Promise<void> {
    const left = () => this.readers.filter(({ ended }) => ended === undefined);
    let places = "";
    for (let still = 0; left().length > 0 && still < stillTurnsMax; still++) {
      const now = left()
        .map(({ at }) => at)
        .join();
      if (now !== places) still = 0;
      places = now;
      await this.pass(1);
    }
    expect(left()).toEqual([]);
  }

  async pass(turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) {
      this.clock.advance(1);
      for (let n = 0; n < 10; n++) await Promise.resolve();
    }
  }
}

type ReadingOptions = {
  readonly filter: string;
  readonly from: number;
  readonly records: number;
  readonly bytes: number;
};

/** Reads page after page, as a subscription that is behind does. */
class Reading {
  readonly #world: World;
  readonly #options: ReadingOptions;
  readonly read: Seq[] = [];
  at: Seq;
  stopped = false;
  ended: boolean | undefined;
  failure: unknown;

  constructor(world: World, options: ReadingOptions) {
    this.#world = world;
    this.#options = options;
    this.at = Math.min(options.from, world.lastSeq);
    this.#run().catch((error: unknown) => {
      this.failure = error;
      this.ended = true;
    });
  }

  get filter(): string {
    return this.#options.filter;
  }

  async #run(): Promise<void> {
    const { filter, records: recordsMax, bytes: bytesMax } = this.#options;
    while (!this.stopped && this.at < this.#world.lastSeq) {
      const [after, until] = [this.at, this.#world.lastSeq];
      const request = { filter, after, until, recordsMax, bytesMax, isWanted: () => !this.stopped };
      const page = await this.#world.scan.read(request);
      if (this.stopped) break;
      this.#check(page, { after, until });
      this.at = page.scannedTo;
    }
    this.ended = true;
  }

  #check({ records, scannedTo, done }: ReadPage, { after, until }: { after: Seq; until: Seq }): void {
    const seqs = records.map(({ seq }) => seq);
    const { appended, firstSeq } = this.#world;
    const expected = appended
      .filter(({ seq, topic }) => seq > after && seq <= scannedTo && matches(this.filter, topic))
      .map(({ seq }) => seq);
    // What retention took meanwhile may be missing.
    expect(seqs).toEqual(expected.filter((seq) => seq >= firstSeq || seqs.includes(seq)));
    expect(records.length).toBeLessThanOrEqual(this.#options.records);
    const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
    if (records.length > 1) expect(bytes).toBeLessThanOrEqual(this.#options.bytes);
    expect(scannedTo).toBeGreaterThan(after);
    expect(scannedTo).toBeLessThanOrEqual(until);
    if (done) expect(scannedTo).toBe(until);
    this.read.push(...seqs);
  }
}

const topic = fc.constantFrom("a", "b", "a.x", "a.y", "b.x.y", "$dead.a");
const filter = fc.constantFrom("a", "b", "a.*", ">", "*", "a.x", "b.>", "$dead.>", "nobody");
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      topics: fc.array(topic, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      filter,
      from: fc.nat({ max: 120 }),
      records: fc.integer({ min: 1, max: 9 }),
      bytes: fc.integer({ min: 1, max: 200 }),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stop" as const), who: fc.nat({ max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("trim" as const), keep: fc.integer({ min: 1, max: 80 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("time" as const), turns: fc.integer({ min: 1, max: 6 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
const options = fc.record({
  bounds: fc.record({
    passesMax: fc.integer({ min: 1, max: 3 }),
    questionsMax: fc.integer({ min: 1, max: 4 }),
    stretchRecords: fc.integer({ min: 1, max: 20 }),
    stretchBytes: fc.integer({ min: 1, max: 500 }),
    seenRecords: fc.integer({ min: 1, max: 60 }),
    heldBytes: fc.integer({ min: 1, max: 2_000 }),
  }),
  readOverhead: fc.constantFrom(0, 1, 5, 20, 1_000),
  recentRecords: fc.integer({ min: 1, max: 40 }),
  readMs: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 5 }),
});

async function perform(world: World, one: Step): Promise<void> {
  if (one.do === "append") world.append(one.topics);
  else if (one.do === "trim") world.trim(one.keep);
  else if (one.do === "time") await world.pass(one.turns);
  else if (one.do === "read")
    for (let i = 0; i < one.count; i++) world.readers.push(new Reading(world, { ...one, from: one.from + i }));
  else {
    const reader = world.readers[one.who];
    if (reader !== undefined) reader.stopped = true;
  }
}

test(
  "SharedScan gives each reader the pages that the log would give, whoever else reads, comes or goes",
  async () => {
    const property = fc.asyncProperty(
      options,
      fc.array(step, { minLength: 1, maxLength: 40, size: "max" }),
      async (how, steps) => {
        const world = new World(how);
        for (const one of steps) await perform(world, one);
        await world.settle();
        for (const { failure } of world.readers) if (failure !== undefined) throw failure;
        for (const { read } of world.readers) expect(read).toEqual([...new Set(read)].sort((a, b) => a - b));
      },
    );
    await fc.assert(property, { numRuns: runs, seed: 1 });
  },
  testMsMax,
);

// --- what it is there for ---

const records = 3_000;
const bounds: ScanBounds = {
  passesMax: 2,
  questionsMax: 4,
  stretchRecords: 500,
  stretchBytes: 1_000_000,
  seenRecords: 10_000,
  heldBytes: 1_000_000,
};

async function filled(): Promise<World> {
  const world = new World({ bounds, readOverhead: 20, recentRecords: 1, readMs: [1] });
  world.append(Array.from({ length: records }, (_, i) => `t.${i % 100}`));
  await world.pass(2);
  expect(world.lastSeq).toBe(records);
  return world;
}
const whole = { records: 1_000, bytes: 1_000_000 };

test(
  "SharedScan reads the log once for a thousand readers that come together",
  async () => {
    const world = await filled();
    for (let i = 0; i < 1_000; i++)
      world.readers.push(new Reading(world, { filter: `t.${i % 100}`, from: 0, ...whole }));
    await world.settle();
    expect(world.readers.every(({ read }) => read.length === records / 100)).toBe(true);
    expect(world.reads).toBeLessThan(20);
  },
  testMsMax,
);

test(
  "SharedScan asks the log for one reader that is far behind, which nobody else waits for",
  async () => {
    const world = await filled();
    const lone = new Reading(world, { filter: "t.1", from: 0, ...whole });
    const crowd = Array.from(
      { length: 100 },
      (_, i) => new Reading(world, { filter: `t.${i}`, from: 2_500, ...whole }),
    );
    world.readers.push(lone, ...crowd);
    await world.settle();
    expect(lone.read).toHaveLength(records / 100);
    expect(crowd.every(({ read }) => read.length === 5)).toBe(true);
    expect(world.reads).toBeLessThan(8);
  },
  testMsMax,
);

test(
  "SharedScan reads on for nobody when all readers have gone",
  async () => {
    const world = await filled();
    for (let i = 0; i < 1_000; i++)
      world.readers.push(new Reading(world, { filter: "nothing.matches", from: 0, ...whole }));
    await world.pass(3);
    for (const reader of world.readers) reader.stopped = true;
    await world.pass(10);
    const { reads } = world;
    expect(reads).toBeLessThan(records / bounds.stretchRecords);
    await world.pass(50);
    expect(world.reads).toBe(reads);
    expect(world.readers.every(({ ended }) => ended === true)).toBe(true);
  },
  testMsMax,
);
