/**
 * One pool at work on the node that coordinates it: reads its topics, gives each record to a member, hears what became of
 * it, and journals how far it is.
 *
 * Owns: nothing is given out without the journal: what may be given out was reserved there, and that nobody else has
 * claimed the pool was known there less than `confirmMs` ago.
 * @module
 */
import type { PoolCommand, PoolDecision, PoolProgress } from "../../actors/pool/decide.ts";
import { type Assignment, Ledger } from "../../actors/pool/ledger.ts";
import type { PoolScaling, PoolSettings } from "../../actors/pool/settings.ts";
import type { PoolState } from "../../actors/pool/state.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { type LogRecord, UnavailableError } from "../log/event-log.ts";
import { pause } from "../pause.ts";
import type { Timer } from "../ports.ts";
import type { Services } from "../services.ts";
import { Autoscaling } from "./autoscaling.ts";
import type { CoordinatorLink, PoolContext, Untimed } from "./context.ts";
import { Failures } from "./failures.ts";
import { PoolFeed, readAt, workOf } from "./feed.ts";
import type { Answer, FromNode, Question, Report, WorkFor } from "./messages.ts";
import type { PoolStore } from "./pool-store.ts";
import { Roster } from "./roster.ts";
import type { Scaler } from "./scaler.ts";

export type CoordinatorEvents = {
  /** Another node has claimed the pool, or the log does not take its journal. */
  lost(error: unknown): void;
  /** It drains, and nothing is given out any more. */
  finished(): void;
};
export type CoordinatorParts = {
  readonly name: string;
  readonly services: Services;
  readonly store: PoolStore;
  readonly link: CoordinatorLink;
  readonly events: CoordinatorEvents;
  /** Undefined: nothing here brings members in this way. */
  readonly scalerOf: (settings: PoolScaling) => Scaler | undefined;
};

/** Looks for what is late, and journals what moved, so often. */
const tickMs = 250;
/** Less than it takes another node to find its coordinator silent, claim the pool and begin. */
const confirmMs = 800;
/** So far beyond what is read may be given out between two entries of the journal. */
const reserveAhead = 4_096;
const readRetryMs = 500;

export class Coordinator implements PoolContext {
  readonly name: string;
  readonly services: Services;
  readonly store: PoolStore;
  readonly link: CoordinatorLink;
  readonly ledger: Ledger<LogRecord>;
  readonly roster: Roster;
  begun = false;
  readonly #events: CoordinatorEvents;
  readonly #failures: Failures;
  readonly #autoscaling: Autoscaling;
  /** By node: the newest report that was heard and is not confirmed. */
  readonly #heard = new Map<string, number>();
  #feed: PoolFeed | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  #pumping = false;
  /** Something is to be journalled. */
  #news = false;

  constructor({ name, services, store, link, events, scalerOf }: CoordinatorParts) {
    this.name = name;
    this.services = services;
    this.store = store;
    this.link = link;
    this.#events = events;
    const { limits, ports } = services;
    this.ledger = new Ledger(store.state, {
      settings: store.state.settings,
      chance: () => ports.random.next(),
      waitingMax: limits.poolWaitingRecordsMax,
      waitingBytesMax: limits.poolWaitingBytesMax,
      retriesMax: limits.poolRetriesMax,
      memberBytesMax: limits.poolMemberBytesMax,
    });
    this.#failures = new Failures(this);
    this.roster = new Roster(this, this.#failures);
    this.#autoscaling = new Autoscaling(this, scalerOf);
  }

  get term(): number {
    return this.store.state.term;
  }
  get #settings(): PoolSettings {
    return this.store.state.settings;
  }
  now(): EpochMs {
    return this.services.ports.clock.now();
  }

  // --- its life ---

  /** Asks the nodes whom they have: who answers before `begin` keeps what it has. */
  call(): void {
    this.link.toAll({ type: "call", term: this.term, node: this.services.node });
  }

  begin(): void {
    this.guard(this.#begin());
  }

  async #begin(): Promise<void> {
    if (!this.begun) {
      await this.roster.forgetSilent();
      await this.#readUnread();
      await this.#progress();
      if (this.#stopped) return;
      this.begun = true;
      this.#startFeed();
      this.#tickLater();
    }
    this.moved();
  }

  stop(): void {
    this.#stopped = true;
    this.#feed?.stop();
    this.#timer?.cancel();
    this.#autoscaling.stop();
  }

  /** Another node may go on at once. False: somebody else has it, or the journal cannot be written now. */
  async release(cause: string): Promise<boolean> {
    this.stop();
    try {
      await this.#progress();
      return (await this.record({ type: "Release", term: this.term, cause })).ok;
    } catch {
      return false;
    }
  }

  guard(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (this.#stopped) return;
      this.stop();
      this.#events.lost(error);
    });
  }

  async record(command: Untimed<PoolCommand>): Promise<PoolDecision> {
    return await this.store.record({ ...command, at: this.now() } as PoolCommand);
  }

  // --- giving out ---

  moved(): void {
    this.#news = true;
    if (this.#pumping || !this.begun || this.#stopped) return;
    this.#pumping = true;
    this.services.ports.clock.soon(() => this.guard(this.#pump()));
  }

  async #pump(): Promise<void> {
    this.#pumping = false;
    if (this.#stopped || this.store.state.status !== "active") return;
    if (this.#mustConfirm()) await this.store.confirm();
    if (this.#stopped) return;
    const { given, held } = this.ledger.assign(this.now());
    if (given.length > 0) this.#news = true;
    this.#send(given);
    if (held) {
      await this.#progress();
      this.moved();
    }
    this.#feed?.wake();
  }

  #mustConfirm(): boolean {
    return this.services.ports.log.info().shared && this.now() - this.store.confirmedAt > confirmMs;
  }

  #send(given: readonly Assignment<LogRecord>[]): void {
    const works = new Map<string, WorkFor[]>();
    const unread: Assignment<LogRecord>[] = [];
    for (const one of given) {
      if (one.record === undefined) unread.push(one);
      else collect(works, one, one.record);
    }
    this.#sendAll(works);
    if (unread.length > 0) this.guard(this.#sendUnread(unread));
  }

  /** What was given out before is not in memory any more. */
  async #sendUnread(unread: readonly Assignment<LogRecord>[]): Promise<void> {
    const records = await this.read(unread.map(({ item }) => item).sort((a, b) => a - b));
    const works = new Map<string, WorkFor[]>();
    for (const one of unread) {
      const record = records.get(one.item);
      const { item, attempt } = one;
      if (record !== undefined) collect(works, one, record);
      else await this.#failures.giveUp({ item, member: one.member.id, attempt, isLast: true }, "trimmed");
    }
    this.#sendAll(works);
  }

  #sendAll(works: ReadonlyMap<string, WorkFor[]>): void {
    for (const [node, some] of works) {
      // Meanwhile somebody may have left, or taken too long.
      const held = some.filter(({ member, item }) => this.ledger.slot(member)?.held.has(item) === true);
      this.link.toNode(node, { type: "work", term: this.term, works: held });
    }
  }

  async read(seqs: readonly Seq[]): Promise<ReadonlyMap<Seq, LogRecord>> {
    for (;;) {
      try {
        return await readAt(this.services, this.#settings.filters, seqs);
      } catch (error) {
        if (!(error instanceof UnavailableError) || this.#stopped) throw error;
        await pause(this.services.ports.clock, readRetryMs);
      }
    }
  }

  async #readUnread(): Promise<void> {
    const seqs = this.ledger.unread();
    if (seqs.length === 0) return;
    const records = await this.read(seqs);
    const { stickyHeader } = this.#settings;
    for (const seq of seqs) {
      const record = records.get(seq);
      this.ledger.found(seq, record === undefined ? undefined : workOf(record, stickyHeader), this.now());
    }
  }

  #startFeed(): void {
    this.#feed?.stop();
    const from = { filters: this.#settings.filters, after: this.ledger.scannedTo };
    this.#feed = new PoolFeed(this.services, from, {
      room: () => (this.store.state.status === "active" ? this.ledger.room : 0),
      read: (records, scannedTo) => {
        const { stickyHeader } = this.#settings;
        const works = records.map((record) => workOf(record, stickyHeader));
        this.#autoscaling.read(works.length, scannedTo - this.ledger.scannedTo);
        this.ledger.read(works, scannedTo, this.now());
        this.moved();
      },
      trimmed: (first) => {
        this.ledger.read([], first - 1, this.now());
        this.guard(this.record({ type: "Trim", first }));
      },
    });
    this.#feed.wake();
  }

  // --- time ---

  #tickLater(): void {
    this.#timer = this.services.ports.clock.after(tickMs, () => {
      this.guard(this.#tick());
      if (!this.#stopped) this.#tickLater();
    });
  }

  async #tick(): Promise<void> {
    const now = this.now();
    for (const work of this.ledger.expire(now)) {
      const { member, item } = work;
      const node = this.ledger.slot(member)?.member.node;
      if (node !== undefined) this.roster.revoke(node, [{ member, item }]);
      this.guard(this.#failures.failed(work, "ackTimeout"));
    }
    this.ledger.tick(now);
    this.#settled();
    this.#autoscaling.look();
    if (this.#news || this.ledger.waiting > 0) this.moved();
    if (this.#news) await this.#progress();
  }

  /** Journals how far it is, and tells the nodes that what they reported is there. */
  async #progress(): Promise<void> {
    this.#news = false;
    const heard = [...this.#heard];
    this.#heard.clear();
    const progress = this.ledger.progress(reserveAhead);
    if (isNews(progress, this.store.state)) await this.record({ type: "Progress", ...progress });
    this.ledger.reserve(this.store.state.reserved);
    for (const [node, upTo] of heard) this.link.toNode(node, { type: "confirmed", term: this.term, upTo });
  }

  // --- what nodes tell and people ask ---

  hear(message: FromNode): void {
    if (this.#stopped || message.term > this.term) return;
    switch (message.type) {
      case "announce":
        this.roster.announced(message.node, message.members);
        for (const report of message.reports) this.#reported(message.node, report);
        return this.moved();
      case "report":
        return this.#reported(message.node, message.report);
      case "leave":
        return void this.roster.remove(message.member, message.cause);
      case "present":
        return this.roster.present(message.node, message.members);
    }
  }

  #reported(node: string, { number, done, failed }: Report): void {
    const now = this.now();
    for (const { member, item } of done)
      if (!this.ledger.done(member, item, now) && !this.begun) this.ledger.settleEarlier(item);
    for (const { member, item, reason, delayMs } of failed) {
      const taken = this.ledger.failed(member, item, now);
      if (taken !== undefined) this.guard(this.#failures.failed(taken, reason, delayMs));
    }
    this.#heard.set(node, Math.max(number, this.#heard.get(node) ?? 0));
    this.#settled();
    this.moved();
  }

  #settled(): void {
    this.roster.endDrained();
    if (this.store.state.status === "draining" && this.ledger.inFlight === 0) this.#events.finished();
  }

  async answer(question: Exclude<Question, { type: "view" }>): Promise<Answer> {
    switch (question.type) {
      case "join":
        return await this.roster.join(question.member);
      case "leaveGently":
        return await this.roster.drain(question.member, "member");
      case "drainMember":
        return await this.roster.drain(question.member, question.by);
      case "removeMember":
        return this.roster.remove(question.member, "removed") ? { ok: true } : { ok: false, because: "notMember" };
      case "weight": {
        const { member, weight, by } = question;
        const answer = await this.#decided({ type: "SetWeight", member, weight, by });
        if (answer.ok) this.ledger.change(member, { weight }, this.now());
        return answer;
      }
      case "configure":
        return await this.#configure(question.settings, question.by);
      case "drain":
        return await this.#decided({ type: "Drain", by: question.by });
      case "resume":
        return await this.#decided({ type: "Resume", by: question.by });
      case "delete": {
        const answer = await this.#decided({ type: "Delete", by: question.by });
        if (answer.ok) this.roster.endAll("poolDeleted");
        if (answer.ok) this.stop();
        return answer;
      }
    }
  }

  async #configure(settings: PoolSettings, by: string): Promise<Answer> {
    const filters = this.#settings.filters.join(" ");
    const answer = await this.#decided({ type: "Configure", settings, by });
    if (!answer.ok) return answer;
    this.ledger.configure(settings, this.now());
    if (this.begun && settings.filters.join(" ") !== filters) this.#startFeed();
    return answer;
  }

  async #decided(command: Untimed<PoolCommand>): Promise<Answer> {
    const decision = await this.record(command);
    this.moved();
    this.#settled();
    return decision.ok ? { ok: true } : { ok: false, because: decision.rejection };
  }
}

/** The journal does not tell it yet. */
function isNews({ upTo, reserved, open, done }: PoolProgress, state: PoolState): boolean {
  if (done > 0 || upTo !== state.upTo || reserved > state.reserved || open.length !== state.open.size) return true;
  return open.some(({ item, attempts, member }) => {
    const known = state.open.get(item);
    return known?.attempts !== attempts || known.member !== member;
  });
}

function collect(
  works: Map<string, WorkFor[]>,
  { member, item, attempt }: Assignment<LogRecord>,
  record: LogRecord,
): void {
  const work = { member: member.id, item, attempt, record };
  const some = works.get(member.node);
  if (some === undefined) works.set(member.node, [work]);
  else some.push(work);
}
