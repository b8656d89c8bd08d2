/**
 * Who has which record of a pool: the part of its coordinator that works per record.
 *
 * A record waits, is given to one member, and is settled by that member's answer; or it comes back (failed, not answered
 * in time, member gone) and goes to another, each time as a later attempt.
 *
 * Pure: time and chance come in. Owns: a record has one member at a time, and only that one settles it; no member has more
 * than its capacity; what is not settled is told by `progress`. Bounded: what waits by `room`, what is given out by the
 * members' capacity.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { Ejections } from "../balancer/ejection.ts";
import type { PoolProgress } from "./decide.ts";
import type { OpenItem, PoolMember } from "./events.ts";
import { Recovery } from "./recovery.ts";
import { Routing } from "./routing.ts";
import type { PoolSettings } from "./settings.ts";
import { type Item, Slot, type Work } from "./slot.ts";
import type { PoolState } from "./state.ts";

export type Assignment<R> = {
  readonly member: PoolMember;
  readonly item: Seq;
  /** From 1. */
  readonly attempt: number;
  /** Undefined: it was given out before, and is read again. */
  readonly record: R | undefined;
};
/** A record that was taken from its member. */
export type FailedWork = {
  readonly item: Seq;
  readonly member: string;
  readonly attempt: number;
  /** It has been tried as often as it may be. */
  readonly isLast: boolean;
};

export type LedgerOptions = {
  readonly settings: PoolSettings;
  /** Uniform in [0, 1). */
  readonly chance: () => number;
  /** Records that wait, at most, and their bytes. */
  readonly waitingMax: number;
  readonly waitingBytesMax: number;
  /** Failed records that wait for their next try, at most; at it nothing more is read. */
  readonly retriesMax: number;
  /** Of one member, given out. */
  readonly memberBytesMax: number;
};

/** Something is read ahead even for few members, or one that is done would wait for the log. */
const waitingMin = 64;
type Delayed<R> = { readonly item: Item<R>; readonly dueAt: EpochMs };

export class Ledger<R> {
  #options: LedgerOptions;
  readonly #routing: Routing<R>;
  readonly #recovery: Recovery<R>;
  readonly #ejections = new Ejections();
  /** Failed: waits for its time, or (without end) for what the coordinator says of it. */
  #delayed: Delayed<R>[] = [];
  #scannedTo: Seq;
  #reserved: Seq;
  /** Who there is, or how they are, has changed. */
  #stale = true;
  #waitingBytes = 0;
  waiting = 0;
  inFlight = 0;
  capacity = 0;
  /** Since the start; again: of `given`, as a later attempt. */
  readonly totals = { given: 0, again: 0, done: 0, failed: 0 };
  #toldDone = 0;

  constructor(state: Pick<PoolState, "upTo" | "reserved" | "open">, options: LedgerOptions) {
    this.#options = options;
    this.#routing = new Routing(options);
    this.#recovery = new Recovery(state);
    this.#scannedTo = state.upTo;
    this.#reserved = state.upTo;
  }

  // --- going on where an earlier coordinator was ---

  /** A member has this record still. False: it is settled, or another's. */
  adopt(member: string, { seq, attempt }: { readonly seq: Seq; readonly attempt: number }, at: EpochMs): boolean {
    const slot = this.#routing.slots.get(member);
    const item = slot === undefined ? undefined : this.#recovery.adopt(seq);
    if (slot === undefined || item === undefined) return false;
    item.attempts = attempt - 1;
    item.perhaps = false;
    slot.give(item, at);
    this.inFlight++;
    this.#stale = true;
    return true;
  }

  /** A member was done with it, which the journal does not tell yet. */
  settleEarlier(seq: Seq): void {
    if (this.#recovery.settle(seq)) this.totals.done++;
  }

  /** Those that the journal or a member told of; each has to be `found` before it can be given out. */
  unread(): readonly Seq[] {
    return this.#recovery.unread();
  }

  /** `work` undefined: the log does not hold it any more. */
  found(seq: Seq, work: Work<R> | undefined, at: EpochMs): void {
    const { item, dueAt, isHeld } = this.#recovery.found(seq, work) ?? {};
    if (item === undefined || dueAt === undefined || isHeld === true) return;
    if (dueAt > at) this.#delayed.push({ item, dueAt });
    else this.#wait(item, at);
  }

  // --- reading ---

  /** How many more records may be read now; none as long as half of what may wait does: for each that goes, the log would be asked. */
  get room(): number {
    const { waitingMax, waitingBytesMax, retriesMax } = this.#options;
    if (this.#waitingBytes >= waitingBytesMax || this.#delayed.length >= retriesMax) return 0;
    const most = Math.min(waitingMax, Math.max(waitingMin, this.capacity * 2));
    return this.waiting * 2 > most ? 0 : most - this.waiting;
  }

  get scannedTo(): Seq {
    return this.#scannedTo;
  }

  /** Everything of the pool up to `scannedTo` is among these or was read before. */
  read(works: readonly Work<R>[], scannedTo: Seq, at: EpochMs): void {
    for (const work of works) {
      if (work.seq <= this.#scannedTo || this.#recovery.knows(work.seq)) continue;
      const perhaps = this.#recovery.perhaps(work.seq);
      this.#wait({ ...work, attempts: 0, perhaps, since: at, givenAt: 0 }, at);
    }
    this.#scannedTo = Math.max(this.#scannedTo, scannedTo);
  }

  /** The journal says that records up to here may be given out. */
  reserve(upTo: Seq): void {
    this.#reserved = Math.max(this.#reserved, upTo);
  }

  // --- members ---

  slots(): Iterable<Slot<R>> {
    return this.#routing.slots.values();
  }
  slot(id: string): Slot<R> | undefined {
    return this.#routing.slots.get(id);
  }

  join(member: PoolMember): void {
    this.#routing.slots.set(member.id, new Slot(member));
    this.capacity += member.capacity;
    this.#stale = true;
  }

  /** Its records go to others at once; but those that were tried too often, which are failed. */
  leave(id: string, at: EpochMs): { readonly returned: number; readonly last: readonly FailedWork[] } {
    const slot = this.#routing.slots.get(id);
    if (slot === undefined) return { returned: 0, last: [] };
    this.#routing.slots.delete(id);
    this.capacity -= slot.member.capacity;
    this.#refresh(at);
    this.#routing.unbind(slot);
    this.inFlight -= slot.held.size;
    const last: FailedWork[] = [];
    for (const item of slot.held.values()) {
      const failed = this.#failedWork(item, id);
      if (!failed.isLast) this.#wait(item, at);
      else {
        this.#delayed.push({ item, dueAt: Number.POSITIVE_INFINITY });
        last.push(failed);
      }
    }
    return { returned: slot.held.size, last };
  }

  change(id: string, changes: Partial<Pick<PoolMember, "weight" | "draining">>, at: EpochMs): void {
    const slot = this.#routing.slots.get(id);
    if (slot === undefined) return;
    slot.member = { ...slot.member, ...changes };
    this.#refresh(at);
  }

  configure(settings: PoolSettings, at: EpochMs): void {
    this.#options = { ...this.#options, settings };
    this.#routing.configure(settings, at);
  }

  // --- giving out ---

  /** Gives out what can be. `held`: something would go, but is not reserved. */
  assign(at: EpochMs): { readonly given: readonly Assignment<R>[]; readonly held: boolean } {
    if (this.#stale) this.#refresh(at);
    const given: Assignment<R>[] = [];
    const held = this.#routing.route(this.#reserved, ({ item, slot }) => given.push(this.#give(item, slot, at)));
    return { given, held };
  }

  #give(item: Item<R>, slot: Slot<R>, at: EpochMs): Assignment<R> {
    const { record, perhaps } = item;
    this.waiting--;
    this.inFlight++;
    if (record !== undefined) this.#waitingBytes -= item.bytes;
    item.record = undefined;
    slot.give(item, at);
    const attempt = item.attempts + (perhaps ? 1 : 0);
    this.totals.given++;
    if (attempt > 1) this.totals.again++;
    return { member: slot.member, item: item.seq, attempt, record };
  }

  // --- answers ---

  /** False: it is not this member's, or not any more. */
  done(member: string, seq: Seq, at: EpochMs): boolean {
    const slot = this.#routing.slots.get(member);
    const item = slot?.take(seq);
    if (slot === undefined || item === undefined) return false;
    this.#released(slot);
    slot.done++;
    slot.response.observe(at - item.givenAt, at);
    this.#ejections.succeeded(member);
    this.#recovery.settle(seq);
    this.totals.done++;
    return true;
  }

  /** Takes it from its member; it waits for `retry` or `settle`. Undefined: it is not this member's. */
  failed(member: string, seq: Seq, at: EpochMs): FailedWork | undefined {
    const slot = this.#routing.slots.get(member);
    const item = slot?.take(seq);
    if (slot === undefined || item === undefined) return undefined;
    this.#released(slot);
    slot.failed++;
    this.totals.failed++;
    if (this.#ejections.failed(member, { at, of: this.#routing.slots.size }) === "ejected") this.#stale = true;
    this.#delayed.push({ item, dueAt: Number.POSITIVE_INFINITY });
    return this.#failedWork(item, member);
  }

  /** Of records that nobody answered in time: as failed. */
  expire(at: EpochMs): readonly FailedWork[] {
    const { ackWaitMs } = this.#options.settings;
    const late: FailedWork[] = [];
    for (const slot of this.#routing.slots.values()) {
      for (const item of slot.held.values()) {
        if (item.givenAt + ackWaitMs > at) break;
        const failed = this.failed(slot.id, item.seq, at);
        if (failed !== undefined) late.push(failed);
      }
    }
    return late;
  }

  /** A failed record is given out again, not before `dueAt`. */
  retry(seq: Seq, dueAt: EpochMs): void {
    const item = this.#takeDelayed(seq);
    if (item !== undefined) this.#delayed.push({ item, dueAt });
  }

  /** A failed record, or one that the log does not hold any more: nobody gets it again. */
  settle(seq: Seq): void {
    this.#takeDelayed(seq);
    for (const slot of this.#routing.slots.values()) if (slot.take(seq) !== undefined) this.#released(slot);
  }

  /** Whose time has come waits again; who was left out for a while comes back. */
  tick(at: EpochMs): void {
    const due = this.#delayed.filter(({ dueAt }) => dueAt <= at);
    if (due.length > 0) this.#delayed = this.#delayed.filter(({ dueAt }) => dueAt > at);
    for (const { item } of due) this.#wait(item, at);
    this.#refresh(at);
  }

  get retries(): number {
    return this.#delayed.length;
  }

  /** Since when the record waits that waits longest; undefined: none does. */
  get oldest(): EpochMs | undefined {
    return this.#routing.oldest;
  }

  /** Done since `progress` was asked for. */
  get untold(): number {
    return this.totals.done - this.#toldDone;
  }

  // --- what is journalled ---

  /** How far it is. `ahead`: so much further may be given out before this is told again. */
  progress(ahead: number): PoolProgress {
    const open: OpenItem[] = this.#recovery.waiting();
    for (const slot of this.#routing.slots.values())
      for (const { seq, attempts } of slot.held.values()) open.push({ item: seq, attempts, member: slot.id });
    for (const { seq, attempts } of this.#routing.items()) open.push({ item: seq, attempts });
    for (const { item } of this.#delayed) open.push({ item: item.seq, attempts: item.attempts });
    open.sort((a, b) => a.item - b.item);
    const done = this.untold;
    this.#toldDone = this.totals.done;
    return { upTo: this.#scannedTo, reserved: this.#scannedTo + ahead, open, done };
  }

  // --- inside ---

  #wait(item: Item<R>, at: EpochMs): void {
    if (this.#stale) this.#refresh(at);
    this.waiting++;
    if (item.record !== undefined) this.#waitingBytes += item.bytes;
    item.since = at;
    this.#routing.add(item);
  }

  #failedWork({ seq, attempts }: Item<R>, member: string): FailedWork {
    const { maxDeliver } = this.#options.settings;
    return { item: seq, member, attempt: attempts, isLast: maxDeliver > 0 && attempts >= maxDeliver };
  }

  #released(slot: Slot<R>): void {
    this.inFlight--;
    this.#routing.released(slot);
  }

  #takeDelayed(seq: Seq): Item<R> | undefined {
    const at = this.#delayed.findIndex(({ item }) => item.seq === seq);
    return at === -1 ? undefined : this.#delayed.splice(at, 1)[0]?.item;
  }

  #refresh(at: EpochMs): void {
    this.#stale = false;
    const { slots } = this.#routing;
    this.#ejections.retain(new Set(slots.keys()));
    for (const slot of slots.values()) slot.ejected = this.#ejections.isEjected(slot.id, at);
    this.#routing.refresh(at);
  }
}
