/**
 * Whatever members do, and whichever coordinator dies: a record has one member at a time, no member has more than its
 * capacity, and in the end everything is done.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { PoolMember } from "../../../src/actors/pool/events.ts";
import { type Assignment, Ledger, type LedgerOptions } from "../../../src/actors/pool/ledger.ts";
import { type PoolSettings, poolDefaults, poolStrategies } from "../../../src/actors/pool/settings.ts";
import type { Work } from "../../../src/actors/pool/slot.ts";
import { evolvePool, initialPoolState, type PoolState } from "../../../src/actors/pool/state.ts";

const records = 120;
const ackWaitMs = 1_000;

type Step =
  | { readonly type: "join"; readonly capacity: number; readonly weight: number; readonly tag: boolean }
  | { readonly type: "leave"; readonly which: number }
  | { readonly type: "drain"; readonly which: number }
  | { readonly type: "read"; readonly count: number }
  | { readonly type: "answer"; readonly which: number; readonly how: "done" | "failed" }
  | { readonly type: "wait"; readonly ms: number }
  | { readonly type: "journal" }
  | { readonly type: "crash"; readonly kept: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("join" as const),
      capacity: fc.integer({ min: 1, max: 6 }),
      weight: fc.integer({ min: 1, max: 4 }),
      tag: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("leave" as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("drain" as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("read" as const), count: fc.integer({ min: 1, max: 20 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("answer" as const),
      which: fc.nat(99),
      how: fc.constantFrom("done" as const, "done" as const, "failed" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1_500 }) }) },
  { weight: 2, arbitrary: fc.constant({ type: "journal" as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("crash" as const), kept: fc.nat(99) }) },
);
const anySettings: fc.Arbitrary<PoolSettings> = fc
  .record({
    strategy: fc.constantFrom(...poolStrategies),
    stickyHeader: fc.constantFrom("", "customer"),
  })
  .map((some) => ({ ...poolDefaults, filters: ["jobs.>"], ackWaitMs, maxDeliver: 0, retryMs: 10, ...some }));

/** A coordinator with members that keep what they have while coordinators come and go. */
class Model {
  readonly #settings: PoolSettings;
  readonly #options: LedgerOptions;
  #ledger: Ledger<number>;
  #state: PoolState;
  #at = 1_000;
  #numbers = 0;
  #members = new Map<string, PoolMember>();
  /** By member: what it was given and has not answered. */
  readonly holds = new Map<string, Map<number, number>>();
  readonly done = new Set<number>();
  readonly given = new Map<number, number>();

  constructor(settings: PoolSettings) {
    this.#settings = settings;
    let draws = 0;
    const chance = (): number => (draws = (draws * 16_807 + 11) % 2_147_483_647) / 2_147_483_647;
    const bounds = { waitingMax: 40, waitingBytesMax: 10_000, retriesMax: 20, memberBytesMax: 1_000 };
    this.#options = { settings, chance, ...bounds };
    this.#state = { ...initialPoolState, status: "active", settings };
    this.#ledger = new Ledger(this.#state, this.#options);
  }

  get room(): number {
    return this.#ledger.room;
  }

  step(step: Step): void {
    switch (step.type) {
      case "join":
        this.join(step);
        break;
      case "leave":
        this.#leave(step.which);
        break;
      case "drain": {
        const id = this.#pick(step.which);
        if (id !== undefined) this.#ledger.change(id, { draining: true }, this.#at);
        break;
      }
      case "read":
        this.read(step.count);
        break;
      case "answer":
        this.#answer(step.which, step.how);
        break;
      case "wait":
        this.wait(step.ms);
        break;
      case "journal":
        this.#journal();
        break;
      case "crash":
        this.#crash(step.kept);
        break;
    }
    this.#assign();
    this.#check();
  }

  join({ capacity, weight, tag }: { capacity: number; weight: number; tag: boolean }): void {
    const id = `m${++this.#numbers}`;
    const about = { node: "n", session: id, subject: "", draining: false, since: this.#at };
    const member = { id, ...about, weight, capacity, tags: tag ? ["gpu"] : [] };
    this.#members.set(id, member);
    this.holds.set(id, new Map());
    this.#ledger.join(member);
  }

  read(count: number): void {
    const from = this.#ledger.scannedTo;
    const to = Math.min(records, from + Math.min(count, this.#ledger.room));
    const works = Array.from({ length: to - from }, (_, index) => this.#work(from + index + 1));
    this.#ledger.read(works, to, this.#at);
  }

  wait(ms: number): void {
    this.#at += ms;
    for (const { item, member } of this.#ledger.expire(this.#at)) {
      this.holds.get(member)?.delete(item);
      this.#ledger.retry(item, this.#at);
    }
    this.#ledger.tick(this.#at);
  }

  /** Everybody who stays works until nothing is left. */
  finish(): void {
    this.join({ capacity: 5, weight: 1, tag: true });
    for (let turn = 0; turn < 2_000 && this.done.size < records; turn++) {
      this.read(20);
      for (const [id, held] of this.holds) for (const item of [...held.keys()]) this.#finish(id, item);
      this.wait(100_000);
      this.#journal();
      this.#assign();
      this.#check();
    }
  }

  #work(seq: number): Work<number> {
    const key =
      this.#settings.stickyHeader !== "" ? `k${seq % 5}` : this.#settings.strategy.endsWith("ash") ? "t" : undefined;
    return { seq, lane: (seq % 3) as 0 | 1 | 2, bytes: 100, key, tag: seq % 7 === 0 ? "gpu" : undefined, record: seq };
  }

  #pick(which: number): string | undefined {
    const ids = [...this.#members.keys()];
    return ids.length === 0 ? undefined : ids[which % ids.length];
  }

  #leave(which: number): void {
    const id = this.#pick(which);
    if (id === undefined) return;
    this.#members.delete(id);
    this.holds.delete(id);
    for (const { item } of this.#ledger.leave(id, this.#at).last) this.#ledger.retry(item, this.#at);
  }

  #answer(which: number, how: "done" | "failed"): void {
    const all = [...this.holds].flatMap(([id, held]) => [...held.keys()].map((item) => [id, item] as const));
    const one = all[which % Math.max(1, all.length)];
    if (one === undefined) return;
    const [id, item] = one;
    if (how === "done") return this.#finish(id, item);
    this.holds.get(id)?.delete(item);
    expect(this.#ledger.failed(id, item, this.#at)?.item).toBe(item);
    this.#ledger.retry(item, this.#at + this.#settings.retryMs);
  }

  #finish(id: string, item: number): void {
    this.holds.get(id)?.delete(item);
    expect(this.#ledger.done(id, item, this.#at)).toBe(true);
    expect(this.#ledger.done(id, item, this.#at)).toBe(false);
    this.done.add(item);
  }

  #journal(): void {
    const progress = this.#ledger.progress(30);
    this.#state = evolvePool(this.#state, { type: "Progressed", at: this.#at, ...progress });
    this.#ledger.reserve(progress.reserved);
  }

  /** Another coordinator goes on from what the journal tells and what (some of) the members tell. */
  #crash(kept: number): void {
    this.#ledger = new Ledger(this.#state, this.#options);
    for (const id of [...this.#members.keys()]) {
      if (kept % 3 === 0) {
        this.#members.delete(id);
        this.holds.delete(id);
      }
    }
    // What was answered before the crash is told again by the members' nodes.
    for (const item of this.done) this.#ledger.settleEarlier(item);
    for (const member of this.#members.values()) {
      this.#ledger.join(member);
      for (const [seq, attempt] of this.holds.get(member.id) ?? [])
        expect(this.#ledger.adopt(member.id, { seq, attempt }, this.#at)).toBe(true);
    }
    for (const seq of this.#ledger.unread()) this.#ledger.found(seq, this.#work(seq), this.#at);
    this.#journal();
  }

  #assign(): void {
    const { given, held } = this.#ledger.assign(this.#at);
    for (const assignment of given) this.#given(assignment);
    if (held) this.#journal();
  }

  #given({ member, item, attempt }: Assignment<number>): void {
    for (const held of this.holds.values()) expect(held.has(item)).toBe(false);
    expect(this.done.has(item)).toBe(false);
    expect(attempt).toBeGreaterThan(this.given.get(item) === undefined ? 0 : 1);
    if (item % 7 === 0) expect(member.tags).toContain("gpu");
    this.given.set(item, attempt);
    this.holds.get(member.id)?.set(item, attempt);
  }

  #check(): void {
    let inFlight = 0;
    for (const [id, held] of this.holds) {
      expect(held.size).toBeLessThanOrEqual(this.#members.get(id)?.capacity ?? 0);
      expect(this.#ledger.slot(id)?.held.size).toBe(held.size);
      inFlight += held.size;
    }
    expect(this.#ledger.inFlight).toBe(inFlight);
    expect(this.#ledger.waiting).toBeGreaterThanOrEqual(0);
  }
}

test("Ledger gives each record to one member at a time, within its capacity, until all is done", () => {
  fc.assert(
    fc.property(anySettings, fc.array(anyStep, { maxLength: 80 }), (settings, steps) => {
      const model = new Model(settings);
      for (const step of steps) model.step(step);
      model.finish();
      expect(model.done.size).toBe(records);
    }),
    { numRuns: 100 },
  );
});
