/**
 * The pools of a node: whose frames are whose, which pools there are, and what operators ask of them.
 * @module
 */
import type { PoolMember } from "../../actors/pool/events.ts";
import { type PoolSettings, poolNameProblem, poolSettingsProblem } from "../../actors/pool/settings.ts";
import type { ErrorName } from "../../protocol/error-code.ts";
import type { Done, Failed, Join, Leave, Work } from "../../protocol/feature-frame.ts";
import { covers } from "../../protocol/topic.ts";
import type { Attachment, Feature, FrameOf } from "../features/feature.ts";
import { JournalLost } from "../journal.ts";
import type { Services } from "../services.ts";
import { errorFrame } from "../session/context.ts";
import type { Supervisor } from "../supervisor.ts";
import { Directory, type Known } from "./directory.ts";
import type { Question, WorkFor } from "./messages.ts";
import { Pool } from "./pool.ts";
import { loadPool, PoolStore } from "./pool-store.ts";
import { fromState, type PoolView, poolView } from "./pool-view.ts";
import type { Scalers } from "./scaler.ts";

/** What operators may ask. Who may, and that it is audited, is decided elsewhere. */
export type PoolControl = {
  list(): Promise<readonly PoolView[]>;
  view(name: string): Promise<PoolView | undefined>;
  create(name: string, settings: PoolSettings, by: string): Promise<PoolOutcome>;
  ask(name: string, question: Question): Promise<PoolOutcome>;
};
export type PoolOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: string; readonly message?: string };

type Membership = { readonly pool: Pool; readonly member: string; leaveRef: number };
const unavailable: PoolOutcome = { ok: false, because: "unavailable" };

export class Pools implements Feature<"pools">, PoolControl {
  readonly name = "pools";
  readonly #services: Services;
  readonly #supervisor: Supervisor;
  readonly #scalers: Scalers;
  readonly #directory: Directory;
  readonly #pools = new Map<string, Pool>();
  /** By pool. */
  readonly #memberships = new Map<Attachment, Map<string, Membership>>();
  #stopped = false;

  constructor(services: Services, supervisor: Supervisor, scalers: Scalers = {}) {
    this.#services = services;
    this.#scalers = scalers;
    this.#supervisor = supervisor;
    this.#directory = new Directory(services, {
      changed: (name, known) => this.#changed(name, known),
      nodeGone: (node) => {
        for (const { coordinator } of this.#pools.values()) coordinator?.roster.nodeGone(node);
      },
    });
  }

  start(): void {
    this.#directory.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#directory.stop();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stop()));
  }

  /** Those that this node coordinates. */
  coordinated(): readonly PoolView[] {
    return [...this.#pools.values()].flatMap(({ coordinator }) =>
      coordinator === undefined ? [] : [poolView(coordinator)],
    );
  }

  #changed(name: string, known: Known): void {
    if (this.#stopped) return;
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      if (known.deleted === true) return;
      if (this.#pools.size >= this.#services.limits.poolsMax) return;
      const { node } = this.#services;
      pool = new Pool({
        name,
        services: this.#services,
        supervisor: this.#supervisor,
        directory: this.#directory,
        scalers: this.#scalers,
      });
      this.#pools.set(name, pool);
      this.#services.ports.logger.log("debug", "pool found", { pool: name, node });
    }
    pool.look(known);
    if (known.deleted === true) this.#pools.delete(name);
  }

  // --- frames ---

  receive(attachment: Attachment, frame: FrameOf<"pools">): void | Promise<void> {
    switch (frame.type) {
      case "join":
        return this.#join(attachment, frame);
      case "leave":
        return this.#leave(attachment, frame);
      case "done":
        return this.#done(attachment, frame);
      case "failed":
        return this.#failed(attachment, frame);
    }
  }

  detached(attachment: Attachment, cause: string): void {
    const held = this.#memberships.get(attachment);
    this.#memberships.delete(attachment);
    for (const { pool, member } of held?.values() ?? []) pool.desk.gone(member, cause);
  }

  /** What its token does not allow any more, it does not get. */
  reauthenticated(attachment: Attachment): void {
    for (const [name, membership] of this.#memberships.get(attachment) ?? []) {
      void this.#mayRead(attachment, name).then((may) => {
        if (may || this.#memberships.get(attachment)?.get(name) !== membership) return;
        membership.pool.desk.gone(membership.member, "subscribeForbidden");
        this.#ended(attachment, name, membership, "subscribeForbidden");
      });
    }
  }

  async #join(attachment: Attachment, frame: Join): Promise<void> {
    const { peer, session } = attachment;
    const { ref, pool: name } = frame;
    const refuse = (error: ErrorName, what: string): void => void peer.send(errorFrame(error, what, { ref }));
    const pool = this.#pools.get(name) ?? (await this.#find(name).catch(() => "away" as const));
    if (peer.gone) return;
    if (pool === "away") return refuse("poolUnavailable", `Whether there is a pool "${name}" cannot be read now`);
    if (pool === undefined) return refuse("poolUnknown", `There is no pool "${name}"`);
    const { poolCapacityMax, poolsPerSessionMax, poolTagsMax } = this.#services.limits;
    const { weight = 1, capacity = 1, tags = [] } = frame;
    if (weight < 1 || weight > weightMax) return refuse("badFrameShape", `Weight ${weight} is not 1 to ${weightMax}`);
    if (capacity < 1 || capacity > poolCapacityMax)
      return refuse("badFrameShape", `Capacity ${capacity} is not 1 to ${poolCapacityMax}`);
    if (tags.length > poolTagsMax)
      return refuse("badFrameShape", `${tags.length} tags, a member has at most ${poolTagsMax}`);
    const mine = this.#memberships.get(attachment) ?? new Map<string, Membership>();
    if (mine.has(name)) return refuse("alreadyMember", `This connection is a member of pool "${name}"`);
    if (mine.size >= poolsPerSessionMax)
      return refuse(
        "tooManyMembers",
        `This connection is in ${mine.size} pools, at most ${poolsPerSessionMax} are allowed`,
      );
    const id = `${session}/${this.#services.ports.random.token(6)}`;
    const membership: Membership = { pool, member: id, leaveRef: 0 };
    mine.set(name, membership);
    this.#memberships.set(attachment, mine);
    const isThere = (): boolean => this.#memberships.get(attachment)?.get(name) === membership;
    const mayRead = await this.#mayRead(attachment, name);
    if (!isThere()) return; // The connection was lost meanwhile.
    if (!mayRead) {
      mine.delete(name);
      return refuse("subscribeForbidden", `The topics of pool "${name}" are not covered by the subscribe claim`);
    }
    const { node, ports } = this.#services;
    const about = { id, node, session, subject: peer.identity.subject, weight, capacity, tags };
    const member: PoolMember = { ...about, draining: false, since: ports.clock.now() };
    const answer = await pool.desk.join(member, {
      work: (work) => void peer.send(workFrame(name, work)),
      ended: (cause) => this.#ended(attachment, name, membership, cause),
    });
    if (!isThere()) return;
    if (answer.ok) {
      peer.send({ type: "joined", ref, pool: name, member: id });
      return pool.desk.begin(id);
    }
    mine.delete(name);
    if (answer.because === "poolUnknown") refuse("poolUnknown", `There is no pool "${name}" any more`);
    else if (answer.because === "tooManyMembers")
      refuse("tooManyMembers", `Pool "${name}" has all the members that it may`);
    else refuse("poolUnavailable", `Nobody gives out the work of pool "${name}" now`);
  }

  /** A node that has just started, or has not heard of a new pool yet, looks into the log before it says that there is none. */
  async #find(name: string): Promise<Pool | undefined> {
    if (poolNameProblem(name) === undefined) await this.#directory.reread(name);
    return this.#pools.get(name);
  }

  async #mayRead({ peer }: Attachment, name: string): Promise<boolean> {
    const filters = this.#pools.get(name)?.coordinator?.store.state.settings.filters;
    const all = filters ?? (await loadPool(this.#services, name)).state.settings.filters;
    return all.every((filter) => peer.identity.subscribe.some((claim) => covers(claim, filter)));
  }

  async #leave(attachment: Attachment, { ref, pool: name }: Leave): Promise<void> {
    const membership = this.#memberships.get(attachment)?.get(name);
    if (membership === undefined) return this.#notMember(attachment, name, { ref });
    membership.leaveRef = ref;
    await membership.pool.desk.leave(membership.member);
  }

  #ended(attachment: Attachment, pool: string, membership: Membership, cause: string): void {
    const mine = this.#memberships.get(attachment);
    if (mine?.get(pool) !== membership) return;
    mine.delete(pool);
    attachment.peer.send({ type: "left", ref: membership.leaveRef, pool, cause });
  }

  #done(attachment: Attachment, { pool: name, items }: Done): void {
    const membership = this.#memberships.get(attachment)?.get(name);
    if (membership === undefined) return this.#notMember(attachment, name, {});
    for (const item of items)
      if (!membership.pool.desk.done(membership.member, item)) this.#notYours(attachment, name, item);
  }

  #failed(attachment: Attachment, { pool: name, item, reason = "failed", delayMs }: Failed): void {
    const membership = this.#memberships.get(attachment)?.get(name);
    if (membership === undefined) return this.#notMember(attachment, name, {});
    const how = { reason, ...(delayMs === undefined ? {} : { delayMs }) };
    if (!membership.pool.desk.failed(membership.member, item, how)) this.#notYours(attachment, name, item);
  }

  #notMember({ peer }: Attachment, pool: string, of: { readonly ref?: number }): void {
    peer.send(errorFrame("notMember", `This connection is no member of pool "${pool}"`, of));
  }

  #notYours({ peer }: Attachment, pool: string, seq: number): void {
    peer.send(
      errorFrame("itemNotYours", `Item ${seq} of pool "${pool}" is not with this member, or not any more`, { seq }),
    );
  }

  // --- what operators ask ---

  async list(): Promise<readonly PoolView[]> {
    const names = [...this.#pools.keys()].sort();
    const views = await Promise.all(names.map((name) => this.view(name)));
    return views.flatMap((view) => (view === undefined ? [] : [view]));
  }

  async view(name: string): Promise<PoolView | undefined> {
    const pool = this.#pools.get(name);
    if (pool === undefined) return undefined;
    if (pool.coordinator !== undefined) return poolView(pool.coordinator);
    const answer = await pool.ask({ type: "view" });
    if (answer?.ok === true && answer.view !== undefined) return answer.view as PoolView;
    const { state } = await loadPool(this.#services, name);
    return state.status === "none" || state.status === "deleted" ? undefined : fromState(name, state);
  }

  async create(name: string, settings: PoolSettings, by: string): Promise<PoolOutcome> {
    const problem = poolNameProblem(name) ?? poolSettingsProblem(settings);
    if (problem !== undefined) return { ok: false, because: "poolSettingsWrong", message: problem };
    const { poolsMax } = this.#services.limits;
    if (this.#pools.size >= poolsMax)
      return { ok: false, because: "tooManyPools", message: `There are ${poolsMax} pools` };
    const { log, clock } = this.#services.ports;
    const { epoch, firstSeq } = log.info();
    const after = settings.start === "all" ? firstSeq - 1 : await log.end();
    try {
      const store = await PoolStore.open(this.#services, name);
      const decision = await store.record({ type: "Create", at: clock.now(), settings, epoch, after, by });
      if (!decision.ok) return { ok: false, because: decision.rejection };
      this.#directory.tell(name, { node: "", term: store.state.term });
      return { ok: true };
    } catch (error) {
      if (!(error instanceof JournalLost)) throw error;
      return error.because === "conflict" ? { ok: false, because: "poolExists" } : unavailable;
    }
  }

  async ask(name: string, question: Question): Promise<PoolOutcome> {
    const pool = this.#pools.get(name);
    if (pool === undefined) return { ok: false, because: "poolUnknown" };
    if (question.type === "configure") {
      const problem = poolSettingsProblem(question.settings);
      if (problem !== undefined) return { ok: false, because: "poolSettingsWrong", message: problem };
    }
    return (await pool.ask(question)) ?? unavailable;
  }
}

const weightMax = 1_000;

function workFrame(pool: string, { item, attempt, record }: WorkFor): Work {
  return { type: "work", pool, item, attempt, record };
}
