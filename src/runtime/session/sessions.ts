/**
 * The sessions of a node: opens new ones, loads those that the log holds, attaches them to connections, and lets
 * them expire.
 *
 * Owns: a session is in memory at most once, and one attach of it runs at a time.
 * @module
 */

import type { SessionEffect } from "../../actors/effect.ts";
import { type SessionSignal, sessionMachine } from "../../actors/session/machine.ts";
import { initialState } from "../../actors/session/state.ts";
import type { Hello } from "../../protocol/frame.ts";
import type { SessionId } from "../../protocol/ids.ts";
import type { LifecycleEvent } from "../lifecycle/fact.ts";
import { UnavailableError } from "../log/event-log.ts";
import { Ownership } from "../ownership.ts";
import type { Services } from "../services.ts";
import type { Child, Supervisor } from "../supervisor.ts";
import { type Attached, logAway, overloaded, refusalOf } from "./attached.ts";
import { caughtUp, furthestOf } from "./catch-up.ts";
import type { Peer } from "./context.ts";
import { loadState, restoreRetryMs, visitInTime } from "./load-state.ts";
import { Session, supervised } from "./session.ts";
import { SessionJournals } from "./session-journals.ts";

export type SessionsOptions = {
  readonly sessionsMax: number;
  readonly journalKeepMs: number;
  readonly lifecycleEvents: readonly LifecycleEvent[];
};

type Held = {
  readonly session: Session;
  readonly actor: Child<SessionSignal>;
  /** Ascends with time. */
  readonly number: number;
};

const loadTriesMax = 3;
/** A node that lets go of it writes its journal meanwhile, once or twice. */
const resumeTriesMax = 6;
const nothingReached = { positions: [], publishedUpTo: 0 };
const actorOf = (id: string) => `session:${id}`;

export class Sessions {
  readonly #services: Services;
  readonly #supervisor: Supervisor;
  #options: SessionsOptions;
  readonly #held = new Map<string, Held>();
  readonly #loading = new Map<string, Promise<Session | undefined>>();
  readonly #attaching = new Map<string, Promise<unknown>>();
  readonly #machine = sessionMachine.provide({
    actions: { "perform effect": ({ context }, effect: SessionEffect) => this.#perform(context.id, effect) },
  });
  readonly #journals: SessionJournals;
  readonly #ownership: Ownership;
  #stopped = false;
  #numbers = 0;

  constructor(services: Services, supervisor: Supervisor, options: SessionsOptions) {
    this.#services = services;
    this.#supervisor = supervisor;
    this.#options = options;
    this.#journals = new SessionJournals(services, options.lifecycleEvents);
    this.#ownership = new Ownership(services, {
      taken: (id, owner) => this.#taken(id, owner),
      nodeLost: () => this.#restoreInTime(),
    });
  }

  configure(options: SessionsOptions): void {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Those held, oldest first, that came after number `after`. */
  *heldAfter(after: number): Iterable<{ readonly session: Session; readonly number: number }> {
    for (const held of this.#held.values()) if (held.number > after) yield held;
  }
  held(id: string): Session | undefined {
    return this.#held.get(id)?.session;
  }

  // --- attaching ---

  async attach(peer: Peer, hello: Hello, connection: string): Promise<Attached> {
    // Others may take what this node has: it takes nothing more.
    if (!this.#services.cluster.serves) return logAway;
    if (hello.session === undefined) return this.#open(peer, hello, connection);
    const turn = (this.#attaching.get(hello.session) ?? Promise.resolve()).then(() =>
      this.#resume(peer, hello, connection),
    );
    const settled = turn.catch(() => undefined);
    this.#attaching.set(hello.session, settled);
    try {
      return await turn;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return logAway;
    } finally {
      if (this.#attaching.get(hello.session) === settled) this.#attaching.delete(hello.session);
    }
  }

  async #resume(peer: Peer, hello: Hello, connection: string): Promise<Attached> {
    const id = hello.session as SessionId;
    const waitMs = this.#supervisor.restartIn(actorOf(id));
    if (waitMs > 0) return { ok: false, reason: "overloaded", retryAfterMs: waitMs };
    for (let tries = 1; tries < resumeTriesMax; tries++) {
      const attached = await this.#resumeOnce(peer, hello, connection);
      if (attached !== "moved") return attached;
    }
    return logAway;
  }

  /** `moved`: our copy was old, another node has written the journal since. */
  async #resumeOnce(peer: Peer, hello: Hello, connection: string): Promise<Attached | "moved"> {
    const id = hello.session as SessionId;
    const { ports, node } = this.#services;
    // Of a session that is not here, nothing is under way from here: asked for while its journal is read.
    const early = this.#held.has(id) ? undefined : ports.log.producerMark(id);
    early?.catch(() => undefined); // Whether it is needed shows later.
    const session = await this.#find(id);
    const resumeKey = hello.resumeKey ?? "";
    const asks = { subject: peer.identity.subject, resumeKeyHash: ports.digest(resumeKey) };
    const refusal = session === undefined ? "sessionUnknown" : refusalOf(session.state, asks);
    if (session === undefined || refusal !== undefined) {
      this.#letBe(session);
      return this.#open(peer, hello, connection, refusal ?? "sessionUnknown");
    }
    if (session.stale) return this.#moved(session);
    const isCaughtUp = await caughtUp(this.#services, furthestOf(session.state, hello, ports.log.info().epoch));
    if (!isCaughtUp || peer.gone) return this.#letBe(session);
    session.peer?.end("superseded", "superseded");
    await session.detach("superseded");
    await session.settled();
    // What comes late, from a connection that is gone, must not take the session from the one that has it now.
    if (peer.gone) return this.#letBe(session);
    const recorded = await session.record({ type: "Attach", at: ports.clock.now(), ...asks, node, connection });
    if (!recorded.ok) return this.#moved(session);
    this.#ownership.took(id, session.state.owner);
    if (hello.settled !== undefined)
      await session.record({ type: "SettleRefusals", at: ports.clock.now(), upTo: hello.settled });
    const known = early ?? ports.log.producerMark(id);
    const mark = await known.catch((error: unknown) => this.#attachedInVain(session, error));
    session.numberFrom(Math.max(session.state.publishedUpTo, hello.settled ?? 0), mark ?? 0);
    this.#held.get(id)?.actor.send({ type: "connection.attached" });
    return { ok: true, session, outcome: "resumed", resumeKey, resumeWindowMs: session.state.resumeWindowMs };
  }

  /** The journal says attached, and no connection is: so that it can be resumed or expire like any other. */
  #attachedInVain(session: Session, error: unknown): never {
    const { owner } = session.state;
    const at = this.#services.ports.clock.now();
    this.guard(session, async () => {
      await session.record({ type: "Detach", at, owner, cause: "logUnavailable", ...nothingReached });
    });
    this.#held.get(session.id)?.actor.send({ type: "connection.lost" });
    throw error;
  }

  /** Not taken: what was read of it stays what its node says. */
  #letBe(session: Session | undefined): Attached {
    if (session?.owes === true) this.#drop(session);
    return logAway;
  }

  #moved(session: Session): "moved" {
    this.#drop(session);
    this.#services.features.gone(session.id, "elsewhere");
    return "moved";
  }

  async #open(peer: Peer, hello: Hello, connection: string, cause?: string): Promise<Attached> {
    if (this.#held.size >= this.#options.sessionsMax) return overloaded;
    const { ports, limits, node } = this.#services;
    const id = ports.random.token(16) as SessionId;
    const resumeKey = ports.random.token(24);
    const resumeWindowMs = Math.min(hello.resumeWindowMs ?? limits.resumeWindowMs, limits.resumeWindowMsMax);
    const journal = resumeWindowMs === 0 ? undefined : this.#journals.open(id, 0);
    const session = new Session({ id, services: this.#services, state: initialState, journal });
    const instead =
      hello.session === undefined || cause === undefined ? {} : { instead: { session: hello.session, cause } };
    const who = { subject: peer.identity.subject, resumeKeyHash: ports.digest(resumeKey), ...instead };
    const at = { at: ports.clock.now(), node, connection };
    const opened = await session.record({ type: "Open", ...at, ...who, resumeWindowMs });
    if (!opened.ok) return logAway;
    this.#hold(session, 0).actor.send({ type: "connection.attached" });
    const because = cause === undefined ? {} : { cause };
    return { ok: true, session, outcome: "opened", resumeKey, resumeWindowMs, ...because };
  }

  /** The connection of a session is gone. */
  async detach(session: Session, cause: string): Promise<void> {
    await session.detach(cause);
    const held = this.#held.get(session.id);
    if (session.peer !== undefined || held?.session !== session) return;
    if (session.ephemeral) await this.#end(session);
    else if (session.stale) this.#drop(session);
    else held.actor.send({ type: "connection.lost" });
  }

  // --- loading ---

  async #find(id: SessionId): Promise<Session | undefined> {
    for (let loading = this.#loading.get(id); loading !== undefined; loading = this.#loading.get(id)) {
      const loaded = await loading;
      // One that was only to be restored is not, while another node has it.
      if (loaded !== undefined) return loaded;
    }
    const held = this.#held.get(id);
    if (held !== undefined && !held.session.stale) return held.session;
    if (held !== undefined) this.#drop(held.session);
    return this.#loadOnce(id, () => this.#load(id));
  }

  /** Who asks for the session meanwhile gets what this load brings. */
  #loadOnce(id: string, load: () => Promise<Session | undefined>): Promise<Session | undefined> {
    const loading = load().finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #load(id: SessionId, from: "anybody" | "nobody" = "anybody"): Promise<Session | undefined> {
    for (let tries = 1; ; tries++) {
      const session = await this.#loadCopy(id, from);
      if (session?.stale !== true) return session;
      // The last write of a node that died came after we had read.
      this.#drop(session);
      if (tries === loadTriesMax) throw new Error(`Session ${id} was written by somebody else during ${tries} loads`);
    }
  }

  /** `nobody`: not if a node that lives has it. */
  async #loadCopy(id: SessionId, from: "anybody" | "nobody"): Promise<Session | undefined> {
    const { clock } = this.#services.ports;
    const { state, seq } = await loadState(this.#services, id);
    if (state.status === "none") return undefined;
    if (from === "nobody" && state.node !== undefined && (await this.#ownership.isAlive(state.node))) return undefined;
    const session = new Session({ id, services: this.#services, state, journal: this.#journals.open(id, seq) });
    if (!this.#stopped) this.#journals.loaded(id, { state, seq });
    if (state.status === "ended" || this.#stopped) return session;
    // A node that died says nothing about its sessions: their time away begins when they are found.
    this.#hold(session, state.node === undefined ? clock.now() - state.detachedAt : 0);
    if (state.node !== undefined) {
      const detach = { type: "Detach", at: clock.now(), owner: state.owner, cause: "nodeLost" } as const;
      // Who comes for it takes it over in one append; a node that comes for what is left takes it now.
      if (from === "anybody") session.owe({ ...detach, ...nothingReached });
      else await session.record({ ...detach, ...nothingReached });
    }
    return session;
  }

  /** Finds the sessions that the log holds and no other node has, so that they can expire. */
  restore(): void {
    this.#ownership.start();
    this.#restoreInTime();
  }

  #restoreInTime(): void {
    visitInTime(this.#services, { visit: (id: SessionId) => this.#restoreOne(id), isOver: () => this.#stopped });
  }

  async #restoreOne(id: SessionId): Promise<void> {
    if (this.#held.has(id) || this.#held.size >= this.#options.sessionsMax) return;
    if (!this.#loading.has(id)) await this.#loadOnce(id, () => this.#load(id, "nobody"));
  }

  #notRestored(session: SessionId, error: unknown): void {
    const { logger, clock } = this.#services.ports;
    const isAway = error instanceof UnavailableError;
    logger.log(isAway ? "warn" : "error", "session not restored", { session, error: String(error) });
    if (isAway) clock.after(restoreRetryMs, () => this.#restoreInTime());
  }

  /** Another node has it: our copy, and a connection that it may still have, are out of date. */
  #taken(id: SessionId, owner: number): void {
    const session = this.#held.get(id)?.session;
    if (session !== undefined && session.state.owner < owner) this.lost(session);
  }

  /** Another node has it. */
  lost(session: Session): void {
    session.peer?.end("superseded", "superseded");
    this.#drop(session);
    this.#services.features.gone(session.id, "elsewhere");
  }

  *attached(): Iterable<Session> {
    for (const { session } of this.#held.values()) if (session.peer !== undefined) yield session;
  }

  // --- holding ---

  #hold(session: Session, detachedForMs: number): Held {
    const input = { id: session.id, resumeWindowMs: session.state.resumeWindowMs, detachedForMs };
    const owner = supervised(session, (verdict) => this.#crashed(session, verdict.kind === "give up"));
    const actor = this.#supervisor.spawn(this.#machine, { id: actorOf(session.id), input, owner });
    const held: Held = { session, actor, number: ++this.#numbers };
    this.#held.set(session.id, held);
    return held;
  }

  #drop(session: Session): void {
    const held = this.#held.get(session.id);
    session.discard();
    if (held?.session !== session) return;
    this.#held.delete(session.id);
    this.#journals.dropped(session.id);
    this.#supervisor.forget(actorOf(session.id));
    held.actor.send({ type: "session.closed" });
  }

  /**
   * Runs a piece of a session's work; what it throws ends that session's actor alone. That the log is away is no fault
   * of anybody here: the connection ends, and the client comes again.
   */
  guard(session: Session, work: () => undefined | void | Promise<void>): void {
    this.#supervisor.guard(actorOf(session.id), () =>
      work()?.catch((error: unknown) => {
        if (!(error instanceof UnavailableError)) throw error;
        session.peer?.end("logUnavailable", error.message);
      }),
    );
  }

  #crashed(session: Session, givenUp: boolean): void {
    session.peer?.end(givenUp ? "sessionEnded" : "internal", givenUp ? "crashedTooOften" : "actorCrashed");
    this.#drop(session);
    if (session.ephemeral) return void this.#end(session);
    const { id } = session;
    // Loaded again at once, so that it can expire; but what it was writing has to be in the journal first.
    const load = async (): Promise<Session | undefined> => {
      await session.settled();
      const loaded = await this.#load(id);
      if (givenUp && loaded !== undefined) await this.#close(loaded, "crashedTooOften");
      return loaded;
    };
    this.#loadOnce(id, load).catch((error: unknown) => this.#notRestored(id, error));
  }

  async #close(session: Session, cause: string): Promise<boolean> {
    const closed = await session.close(cause);
    if (closed) await this.#end(session);
    return closed;
  }

  #perform(id: string, effect: SessionEffect): void {
    const held = this.#held.get(id);
    if (held === undefined || effect.type !== "expire session") return;
    this.guard(held.session, () => this.#expire(held.session));
  }

  async #expire(session: Session): Promise<void> {
    const recorded = await session.record({ type: "Expire", at: this.#services.ports.clock.now() });
    if (recorded.ok && session.state.status === "ended") await this.#end(session);
  }

  /** By an operator, attached or not. False: there is none, or it has ended. */
  async expire(id: SessionId): Promise<boolean> {
    const session = await this.#find(id);
    if (session === undefined || session.state.status !== "open") return false;
    return await this.#close(session, "expiredByOperator");
  }

  async #end(session: Session): Promise<void> {
    await session.settled();
    this.#drop(session);
    this.#services.features.gone(session.id, "ended");
    await this.#journals.over(session);
  }

  sweepEnded(): void {
    this.#journals.sweep(this.#options.journalKeepMs);
  }

  /** Answers how many subscriptions are behind. */
  sweep(now: number): number {
    let behind = 0;
    for (const { session } of this.#held.values()) behind += session.sweep(now);
    return behind;
  }

  /** Every session is detached, and its journal says so. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#held.values()].map(({ session }) => this.detach(session, "nodeStopping")));
    for (const { session } of [...this.#held.values()]) {
      await session.settled();
      this.#drop(session);
    }
    await this.#journals.stop();
    this.#ownership.stop();
  }
}
