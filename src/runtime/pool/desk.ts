/**
 * The members of one pool that are connected to this node: brings them the work that the coordinator, wherever it is, gives
 * them, and tells it what became of it.
 *
 * Owns: what an older coordinator says is not heard; a member's answer counts for what it has and nothing else; an answer
 * is told again until a coordinator has it in the journal.
 * @module
 */
import type { PoolMember } from "../../actors/pool/events.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { pause } from "../pause.ts";
import type { Clock, Timer } from "../ports.ts";
import {
  type Answer,
  type FailedItem,
  type FromNode,
  type ItemOf,
  presentMs,
  type Question,
  type Report,
  type ToNode,
  type WorkFor,
} from "./messages.ts";

export type DeskLink = {
  toCoordinator(message: FromNode): void;
  /** Undefined: nobody answered in time. */
  ask(question: Question): Promise<Answer | undefined>;
};

/** How a member is reached. */
export type MemberSink = {
  work(work: WorkFor): void;
  /** It is no member any more. */
  ended(cause: string): void;
};

type Local = {
  readonly member: PoolMember;
  readonly sink: MemberSink;
  readonly held: Map<Seq, number>;
  /** Work that came before it was told that it has joined. */
  early: WorkFor[] | undefined;
};
type Unconfirmed = { readonly report: Report; sentAt: EpochMs };

const joinTriesMax = 8;
const joinRetryMs = 500;
const resendMs = 1_500;
/** Reports that no coordinator has confirmed; more, and the oldest is forgotten: its records are done again. */
const unconfirmedMax = 4_096;

export class Desk {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #link: DeskLink;
  readonly #members = new Map<string, Local>();
  readonly #unconfirmed: Unconfirmed[] = [];
  #done: ItemOf[] = [];
  #failed: FailedItem[] = [];
  #number = 0;
  #reporting = false;
  /** Of the newest coordinator that was heard. */
  #term = 0;
  #timer: Timer | undefined;
  /** Messages of coordinators that others have followed. */
  refused = 0;

  constructor(node: string, clock: Clock, link: DeskLink) {
    this.#node = node;
    this.#clock = clock;
    this.#link = link;
  }

  get size(): number {
    return this.#members.size;
  }

  // --- members ---

  async join(member: PoolMember, sink: MemberSink): Promise<Answer> {
    const local: Local = { member, sink, held: new Map(), early: [] };
    this.#members.set(member.id, local);
    for (let tries = 0; tries < joinTriesMax; tries++) {
      if (tries > 0) await pause(this.#clock, joinRetryMs);
      if (this.#members.get(member.id) !== local) return { ok: false, because: "left" };
      const answer = await this.#link.ask({ type: "join", member });
      if (answer === undefined) continue;
      if (!answer.ok) this.#members.delete(member.id);
      // It left while it was asked for.
      if (answer.ok && this.#members.get(member.id) !== local)
        this.#tell({ type: "leave", member: member.id, cause: "left" });
      this.#tickLater();
      return answer;
    }
    this.gone(member.id, "notJoined");
    return { ok: false, because: "unavailable" };
  }

  /** It has been told that it has joined: work may come. */
  begin(id: string): void {
    const local = this.#members.get(id);
    const early = local?.early ?? [];
    if (local !== undefined) local.early = undefined;
    for (const work of early) local?.sink.work(work);
  }

  /** It gets nothing new, and is gone when it has nothing any more. */
  async leave(id: string): Promise<void> {
    const answer = await this.#link.ask({ type: "leaveGently", member: id });
    if (answer?.ok === true) return;
    this.#members.get(id)?.sink.ended("left");
    this.gone(id, "left");
  }

  /** Its connection is gone. */
  gone(id: string, cause: string): void {
    if (!this.#members.delete(id)) return;
    this.#report(); // What it was done with comes first.
    this.#tell({ type: "leave", member: id, cause });
  }

  /** False: it has no such item, or not any more. */
  done(id: string, item: Seq): boolean {
    if (this.#members.get(id)?.held.delete(item) !== true) return false;
    this.#done.push({ member: id, item });
    this.#reportSoon();
    return true;
  }

  failed(id: string, item: Seq, how: { readonly reason: string; readonly delayMs?: number }): boolean {
    if (this.#members.get(id)?.held.delete(item) !== true) return false;
    this.#failed.push({ member: id, item, ...how });
    this.#reportSoon();
    return true;
  }

  // --- the coordinator ---

  hear(message: ToNode): void {
    if (message.term < this.#term) return void this.refused++;
    this.#term = message.term;
    switch (message.type) {
      case "work":
        for (const work of message.works) this.#work(work);
        return;
      case "revoke":
        for (const { member, item } of message.items) this.#members.get(member)?.held.delete(item);
        return;
      case "ended": {
        const local = this.#members.get(message.member);
        this.#members.delete(message.member);
        return local?.sink.ended(message.cause);
      }
      case "confirmed":
        while ((this.#unconfirmed[0]?.report.number ?? Number.POSITIVE_INFINITY) <= message.upTo)
          this.#unconfirmed.shift();
        return;
      case "call":
        return this.#announce();
    }
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** The pool is no more. */
  endAll(cause: string): void {
    this.stop();
    const all = [...this.#members.values()];
    this.#members.clear();
    for (const { sink } of all) sink.ended(cause);
  }

  #work(work: WorkFor): void {
    const local = this.#members.get(work.member);
    if (local === undefined) return this.#tell({ type: "leave", member: work.member, cause: "left" });
    local.held.set(work.item, work.attempt);
    if (local.early !== undefined) local.early.push(work);
    else local.sink.work(work);
  }

  #announce(): void {
    this.#report();
    const joined = [...this.#members.values()].filter(({ early }) => early === undefined);
    const members = joined.map(({ member, held }) => ({
      member,
      holds: Array.from(held, ([item, attempt]) => ({ item, attempt })),
    }));
    const reports = this.#unconfirmed.map(({ report }) => report);
    this.#tell({ type: "announce", members, reports });
  }

  #reportSoon(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    this.#clock.soon(() => this.#report());
  }

  #report(): void {
    this.#reporting = false;
    if (this.#done.length === 0 && this.#failed.length === 0) return;
    const report: Report = { number: ++this.#number, done: this.#done, failed: this.#failed };
    this.#done = [];
    this.#failed = [];
    this.#unconfirmed.push({ report, sentAt: this.#clock.now() });
    if (this.#unconfirmed.length > unconfirmedMax) this.#unconfirmed.shift();
    this.#tell({ type: "report", report });
    this.#tickLater();
  }

  #tell(message: Untold<FromNode>): void {
    this.#link.toCoordinator({ ...message, node: this.#node, term: this.#term } as FromNode);
  }

  /** While there is somebody, or something that is not confirmed. */
  #tickLater(): void {
    this.#timer ??= this.#clock.after(presentMs, () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (const one of this.#unconfirmed) {
        if (now - one.sentAt < resendMs) continue;
        one.sentAt = now;
        this.#tell({ type: "report", report: one.report });
      }
      if (this.#members.size === 0 && this.#unconfirmed.length === 0) return;
      const joined = [...this.#members.values()].filter(({ early }) => early === undefined);
      this.#tell({ type: "present", members: joined.map(({ member }) => member.id) });
      this.#tickLater();
    });
  }
}

type Untold<T> = T extends unknown ? Omit<T, "node" | "term"> : never;
