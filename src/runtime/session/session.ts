/**
 * One session on this node: its journal, its state, and the parts that work for it while it is attached.
 *
 * Owns: the state is the fold of the journal; at most one connection is attached; a writer that lost the journal
 * lets go (`superseded`).
 * @module
 */
import { type Decision, decide, type SessionCommand } from "../../actors/session/decide.ts";
import type { SessionEvent } from "../../actors/session/events.ts";
import { evolve } from "../../actors/session/evolve.ts";
import { encodeEvent } from "../../actors/session/persist.ts";
import type { SessionState } from "../../actors/session/state.ts";
import type { ChainSeq, ClientFrame, Hello, Read, Window } from "../../protocol/frame.ts";
import type { EpochMs, SessionId } from "../../protocol/ids.ts";
import type { Limits } from "../../protocol/limits.ts";
import type { SessionView } from "../inspection.ts";
import { type Journal, JournalLost } from "../journal.ts";
import { type AppendRequest, type AppendResult, UnavailableError } from "../log/event-log.ts";
import type { Identity, Timer } from "../ports.ts";
import type { Services } from "../services.ts";
import type { Supervised } from "../supervisor.ts";
import type { Peer, Recorded, SessionContext } from "./context.ts";
import { frameProblem } from "./frame-problem.ts";
import { FrameQueue } from "./frame-queue.ts";
import { readHistory } from "./history.ts";
import { loadState } from "./load-state.ts";
import type { PublishNumbers, Violation } from "./publishing.ts";
import { sessionView } from "./session-view.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { newWork, type Work } from "./work.ts";

export type SessionParts = {
  readonly id: SessionId;
  readonly services: Services;
  readonly state: SessionState;
  /** Undefined: ephemeral, nothing is journalled. */
  readonly journal: Journal | undefined;
};

/** Journal entries after which the state is saved again, so that loading stays short. */
const snapshotEvery = 128;
/** Looks at a journal that is being written. */
const lookTriesMax = 8;
/** Positions and numbers are journalled this long after they moved. */
const progressMs = 1_000;

/** Frames that only a session understands. */
export type SessionFrame = Exclude<ClientFrame, { type: "hello" | "auth" | "ping" | "pong" }>;

export class Session implements SessionContext {
  readonly id: SessionId;
  readonly services: Services;
  readonly #journal: Journal | undefined;
  /** Made when first needed: most sessions are idle most of the time, and there are many. */
  #work: Work | undefined;
  /** Where numbers went on when the connection began. */
  #numbers: PublishNumbers = { settled: 0, appended: 0 };
  #state: SessionState;
  #peer: Peer | undefined;
  #attachedAt: EpochMs = 0;
  #snapshotSeq: number;
  #progress: Timer | undefined;
  #queue: FrameQueue | undefined;
  /** An atomic step under way. */
  #step: Promise<unknown> | undefined;
  #stale = false;
  /** It is being closed: that its connection ends is no news of its own. */
  #closing = false;
  #limits: Limits;

  constructor({ id, services, state, journal }: SessionParts) {
    this.id = id;
    this.services = services;
    this.#state = state;
    this.#limits = services.limits;
    this.#journal = journal;
    this.#snapshotSeq = journal?.seq ?? 0;
  }

  get state(): SessionState {
    return this.#state;
  }
  get ephemeral(): boolean {
    return this.#journal === undefined;
  }
  get limits(): Limits {
    return this.#limits;
  }
  get peer(): Peer | undefined {
    return this.#peer;
  }
  /** This copy is worth nothing any more; the journal goes on without it. */
  get stale(): boolean {
    return this.#stale;
  }
  /** Publishes up to here are in the log or refused. */
  get publishedUpTo(): number {
    return this.#work?.publishing.publishedUpTo ?? this.#numbers.settled;
  }
  get #hands(): Work {
    this.#work ??= newWork(this, this.#numbers);
    return this.#work;
  }

  /** For operators. */
  view(): SessionView {
    return sessionView(this, this.#work, this.#attachedAt);
  }

  // --- the journal ---

  async record(command: SessionCommand): Promise<Recorded> {
    // A step changes the state when it is done: what is decided meanwhile would be folded in another order later.
    while (this.#step !== undefined) await this.#step;
    const decision = decide(this.#state, command, this.#limits);
    if (!decision.ok || decision.events.length === 0) return decision;
    this.#apply(decision.events);
    if (this.#journal === undefined) return decision;
    try {
      await this.#journal.append(decision.events.map(encodeEvent));
    } catch (error) {
      return this.#lost(error);
    }
    this.#saveSnapshot();
    return decision;
  }

  /** The state changes at once; the journal says so with what is recorded next. */
  owe(command: SessionCommand): void {
    const decision = decide(this.#state, command, this.#limits);
    if (!decision.ok || decision.events.length === 0) return;
    this.#apply(decision.events);
    this.#journal?.owe(decision.events.map(encodeEvent));
  }
  /** Nothing was recorded since: the journal is not this node's yet. */
  get owes(): boolean {
    return this.#journal?.owes ?? false;
  }

  async recordWith(command: SessionCommand, request: Omit<AppendRequest, "journal">): Promise<AppendResult | Refused> {
    while (this.#step !== undefined) await this.#step;
    const decision: Decision = decide(this.#state, command, this.#limits);
    if (!decision.ok) return decision;
    const { log } = this.services.ports;
    const perform = async (): Promise<AppendResult | Refused> => {
      try {
        const result =
          this.#journal === undefined
            ? await log.append({ records: request.records })
            : await this.#journal.step(decision.events.map(encodeEvent), (journal) =>
                log.append({ ...request, journal }),
              );
        if (result.ok && !result.duplicate) this.#apply(decision.events);
        return result;
      } catch (error) {
        return this.#lost(error);
      } finally {
        this.#step = undefined;
      }
    };
    const step = perform();
    this.#step = step;
    return step;
  }

  #apply(events: readonly SessionEvent[]): void {
    for (const event of events) this.#state = evolve(this.#state, event);
  }

  /** Somebody else owns the journal now, or it cannot be written: this copy is worth nothing any more. */
  #lost(error: unknown): Refused {
    if (!(error instanceof JournalLost)) throw error;
    if (error.because === "unavailable") this.#peer?.end("logUnavailable", error.message);
    if (error.because === "conflict" && !this.#stale) void this.tellWhoHasIt();
    if (error.because !== "stopped") this.#stale = true;
    return { ok: false, rejection: "superseded" };
  }

  /** Another connection has it; or a node believed this one to be dead, and the client may come again. */
  async tellWhoHasIt(): Promise<void> {
    const { owner } = this.#state;
    const peer = this.#peer;
    if (peer === undefined) return;
    const isTaken = await loadState(this.services, this.id).then(
      ({ state }) => state.owner > owner,
      () => false,
    );
    if (isTaken) peer.end("superseded", "superseded");
    else peer.end("logUnavailable", "nodeLost");
  }

  #saveSnapshot(): void {
    const journal = this.#journal;
    if (journal === undefined || journal.seq - this.#snapshotSeq < snapshotEvery || !journal.idle) return;
    this.#snapshotSeq = journal.seq;
    const snapshot = { seq: journal.seq, data: encodeSnapshot(this.#state) };
    // A cache: a snapshot that could not be saved costs a longer load, nothing else.
    void this.services.ports.log.journals.saveSnapshot(journal.key, snapshot).catch(() => undefined);
  }

  progressed(): void {
    if (this.#progress !== undefined || this.#journal === undefined || this.#peer === undefined) return;
    this.#progress = this.services.ports.clock.after(progressMs, () => {
      this.#progress = undefined;
      void this.record({ type: "Acknowledge", at: this.#now(), ...this.#reached() });
    });
  }

  #reached() {
    return { positions: this.#work?.subscriptions.positions() ?? [], publishedUpTo: this.publishedUpTo };
  }

  // --- attached ---

  /** The connection has it now: what it holds goes on there. */
  begin(peer: Peer, hello: Hello): void {
    this.#peer = peer;
    this.#attachedAt = this.#now();
    this.#limits = peer.limits;
    this.services.counters.sessionsAttached++;
    this.#queue = new FrameQueue(peer, peer.limits);
    if (this.#state.subscriptions.size > 0) this.#hands.subscriptions.restore(peer, hello);
  }

  /**
   * Its publishes go on after what the client, the journal and the log's mark say is settled; a refused number may
   * be above the mark. Only when `settled()` has resolved.
   */
  numberFrom(upTo: number, mark: number): void {
    let settled = Math.max(this.publishedUpTo, upTo, mark);
    while (this.#state.refused.has(settled + 1)) settled++;
    this.#numbers = { settled, appended: mark };
    this.#work = undefined;
  }

  /** New claims on the live connection. */
  reauthenticate(identity: Identity): void {
    if (this.#work === undefined) return;
    this.#work.check.identity = identity;
    this.#work.subscriptions.recheck();
  }

  /** The socket took everything. */
  drained(): void {
    this.#queue?.drained();
    this.#work?.subscriptions.drained();
  }

  heads(): readonly ChainSeq[] {
    return this.#work?.subscriptions.heads() ?? [];
  }

  receive(frame: SessionFrame): Violation | undefined | Promise<void> | void {
    const problem = frameProblem(frame);
    if (problem !== undefined) return void this.#peer?.send(problem);
    const { publishing, subscriptions, transactions, redelivery } = this.#hands;
    switch (frame.type) {
      case "publish":
        return frame.tx === undefined ? publishing.receive(frame) : transactions.publish(frame.tx, frame);
      case "ack":
        return frame.tx === undefined ? subscriptions.acknowledge(frame) : transactions.acknowledge(frame.tx, frame);
      case "subscribe":
        return this.#queue?.run(() => subscriptions.subscribe(frame));
      case "unsubscribe":
        return this.#queue?.run(() => subscriptions.unsubscribe(frame));
      case "nak": {
        const found = subscriptions.findOrRefuse(frame.chain);
        return found === undefined ? undefined : redelivery.nak(frame, found.delivery, found.lane);
      }
      case "credit":
        return subscriptions.credit(frame);
      case "begin":
        return transactions.begin(frame.tx);
      case "commit":
        return transactions.commit(frame.tx);
      case "rollback":
        return transactions.rollback(frame.tx);
      case "read":
        return this.#queue?.run(() => this.#read(frame, subscriptions.allowed(frame.filter)));
    }
  }

  async #read(frame: Read, allowed: boolean): Promise<void> {
    await this.#queue?.room();
    await readHistory(this, frame, allowed);
  }

  /** Answers how many of its subscriptions are behind. */
  sweep(now: number): number {
    if (this.#peer === undefined || this.#work === undefined) return 0;
    this.#work.transactions.sweep(now);
    return this.#work.subscriptions.sweep(now);
  }

  /** Nothing of it is under way to the log. */
  async settled(): Promise<void> {
    await this.#work?.publishing.settled();
    await this.#journal?.settled();
  }

  // --- held: it may be another node's by now ---

  hold(): void {
    this.#work?.subscriptions.fallBehind();
    this.#peer?.hold();
  }

  goOn(): void {
    this.#peer?.goOn();
    this.#work?.subscriptions.drained();
  }

  /** Whether nobody else has written its journal. Rejects when nobody can say. */
  async isOurs(): Promise<boolean> {
    const journal = this.#journal;
    for (let tries = 0; journal !== undefined && tries < lookTriesMax; tries++) {
      await journal.settled();
      const { seq } = journal;
      const last = await this.services.ports.log.journals.lastSeq(journal.key);
      if (this.#stale || last === seq) return !this.#stale;
      if (journal.seq === seq && journal.idle) return false;
    }
    if (journal === undefined) return true;
    throw new UnavailableError(`The journal of session ${this.id} does not rest`);
  }

  // --- detached ---

  /** The connection is gone. Resolves when the journal says so. */
  async detach(cause: string): Promise<void> {
    if (this.#peer === undefined || this.#closing) return;
    const reached = this.#reached();
    const { details } = this.#peer.facts;
    this.#letGo();
    await this.record({
      ...{ type: "Detach", at: this.#now(), owner: this.#state.owner, cause, ...reached },
      ...(details === undefined ? {} : { details }),
    });
  }

  /** Over for good, attached or not. False: it had ended, or is somebody else's. */
  async close(cause: string): Promise<boolean> {
    const { owner } = this.#state;
    this.#closing = true;
    this.#peer?.end("sessionEnded", cause);
    const reached = this.#reached();
    this.#letGo();
    this.#closing = false;
    const recorded = await this.record({ type: "Close", at: this.#now(), owner, cause, ...reached });
    return recorded.ok && recorded.events.length > 0;
  }

  /** Sent, and not acknowledged. */
  unacknowledged(): Window {
    return this.#work?.subscriptions.unacknowledged() ?? { records: 0, bytes: 0 };
  }

  /** This copy of the session is not used any more. */
  discard(): void {
    this.#letGo();
    this.#stale = true;
    this.#journal?.stop();
  }

  #letGo(): void {
    this.#progress?.cancel();
    this.#progress = undefined;
    this.#queue?.end();
    this.#queue = undefined;
    this.#work?.redelivery.stop();
    this.#work?.transactions.rollbackAll();
    this.#work?.subscriptions.endAll();
    if (this.#peer === undefined) return;
    this.services.counters.sessionsAttached--;
    this.services.inflow.forget(this.#peer);
    this.#peer = undefined;
  }

  #now(): number {
    return this.services.ports.clock.now();
  }
}

type Refused = { readonly ok: false; readonly rejection: "superseded" } | Extract<Decision, { ok: false }>;

/** What the supervisor knows of it. */
export function supervised(session: Session, crashed: Supervised["crashed"]): Supervised {
  return { crashed, ids: () => ({ connection: session.peer?.id, session: session.id }) };
}
