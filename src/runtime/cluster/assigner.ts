/**
 * Decides which node a client belongs to, and remembers the last decisions with their reasons.
 *
 * A session belongs to the node that has it, while that one lives: any other would have to take it over. Else affinity
 * decides by the client's key, and without one the configured rule by what the nodes say of themselves.
 *
 * Bounded: `decisionsMax` decisions are kept.
 * @module
 */
import { type Algorithm, type Balancer, createBalancer } from "../../actors/balancer/balancer.ts";
import type { Location } from "../../actors/balancer/candidate.ts";
import { type EjectionOptions, Ejections } from "../../actors/balancer/ejection.ts";
import { type Decision, whyText } from "../../actors/balancer/why.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock, Random } from "../ports.ts";
import { Candidates } from "./candidates.ts";
import type { Member, Membership } from "./membership.ts";

export const affinities = ["none", "ip", "session", "user"] as const;
export type Affinity = (typeof affinities)[number];

export type BalancingOptions = {
  readonly algorithm: Algorithm;
  readonly affinity: Affinity;
  /** Whether a client that comes to the wrong node is sent to the right one. */
  readonly redirect: boolean;
  /** So many times as much as another node this one must have in hand before it sends a client there. From 1. */
  readonly redirectMargin: number;
  /** Of a node that has just started, in milliseconds. */
  readonly slowStartMs: number;
  /** Of `consistentHash`, from 1. */
  readonly boundedLoad: number;
  /** Of `geographic`. */
  readonly nearKm: number;
  /** Zones, the first one first. */
  readonly failover: readonly string[];
  /** Of nodes that clients were sent to and came back from. */
  readonly ejection: EjectionOptions;
};

export const balancingDefaults: BalancingOptions = {
  algorithm: "powerOfTwo",
  affinity: "none",
  redirect: false,
  redirectMargin: 1.25,
  slowStartMs: 30_000,
  boundedLoad: 1.25,
  nearKm: 50,
  failover: [],
  ejection: { failures: 5, windowMs: 30_000, ejectMs: 30_000, ejectMsMax: 300_000, shareMax: 0.5 },
};

/** What is known of a client. */
export type Asker = {
  readonly session?: string;
  readonly subject: string;
  readonly address?: string;
  /** What it wants to be placed by, instead of what affinity says. */
  readonly key?: string;
  /** Where it says that it is, instead of where its address is. */
  readonly location?: Location;
};

export type AssignerParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly membership: Pick<Membership, "self" | "members" | "member" | "onChange">;
  /** The node that had the session last. */
  ownerOf(session: string): Promise<string | undefined>;
  /** For metrics. */
  noted?(way: DecisionView["way"]): void;
  /** Absent: nobody knows where an address is. */
  readonly locate?: (address: string) => Location | undefined;
};

export type Assignment = { readonly member: Member; readonly decision: Decision };

/** assign: somebody asked before connecting · redirect: sent elsewhere in the handshake · stay: served where it came. */
export type DecisionView = {
  readonly at: EpochMs;
  readonly way: "assign" | "redirect" | "stay";
  readonly node: string;
  readonly session?: string;
  readonly subject: string;
  readonly key?: string;
  /** As data. */
  readonly why: Decision["why"];
  /** For people. */
  readonly text: string;
};

export const decisionsMax = 256;
/** Less than a beat. */
const refreshMs = 100;

export class Assigner {
  readonly #parts: AssignerParts;
  #options: BalancingOptions = balancingDefaults;
  readonly #candidates = new Candidates();
  #balancer: Balancer;
  /** By key, where affinity asks for it and the rule itself does not go by a key. */
  #byKey: Balancer;
  #ejections: Ejections;
  #isStale = true;
  #refreshedAt: EpochMs = 0;
  readonly #decisions: DecisionView[] = [];
  #next = 0;

  constructor(parts: AssignerParts, options: BalancingOptions) {
    this.#parts = parts;
    [this.#balancer, this.#byKey] = balancers(options);
    this.#ejections = new Ejections(options.ejection);
    this.#options = options;
    parts.membership.onChange(() => {
      this.#isStale = true;
    });
  }

  get options(): BalancingOptions {
    return this.#options;
  }

  /** From now on. */
  configure(options: BalancingOptions): void {
    [this.#balancer, this.#byKey] = balancers(options);
    this.#ejections = new Ejections(options.ejection);
    this.#options = options;
    this.#isStale = true;
  }

  /** Undefined: no node takes clients. What is chosen counts as sent there: `stays` when it does not go. */
  async choose(asker: Asker): Promise<Assignment | undefined> {
    return (await this.#owner(asker)) ?? this.#byRule(asker);
  }

  /** Whether a client that is here is worth sending to the node that was chosen. */
  isBetter({ decision }: Assignment, asker: Asker): boolean {
    const { redirectMargin: margin } = this.#options;
    const self = this.#parts.membership.self.node;
    if (decision.why.rule === "owner") return decision.id !== self;
    const location = this.#locationOf(asker);
    const balancer = this.#balancerFor(this.#keyOf(asker));
    return balancer.isBetter(decision, self, { margin, ...(location === undefined ? {} : { location }) });
  }

  /** Whoever was chosen, the client is served by this node. */
  stays({ decision }: Assignment): void {
    this.#count(decision.id, -1);
    this.#count(this.#parts.membership.self.node, 1);
  }

  /** A client that was sent there could not get in. */
  failed(node: string): void {
    const { clock, membership } = this.#parts;
    this.#ejections.failed(node, { at: clock.now(), of: membership.members().length });
    this.#isStale = true;
  }

  noted(way: DecisionView["way"], asker: Asker, decision: Decision): void {
    this.#parts.noted?.(way);
    const { session, subject } = asker;
    const key = this.#keyOf(asker);
    const view: DecisionView = {
      ...{ at: this.#parts.clock.now(), way, node: decision.id, subject },
      ...(session === undefined ? {} : { session }),
      ...(key === undefined ? {} : { key }),
      ...{ why: decision.why, text: whyText(decision) },
    };
    this.#decisions[this.#next++ % decisionsMax] = view;
  }

  /** Newest first. */
  decisions(): readonly DecisionView[] {
    const { length } = this.#decisions;
    return Array.from({ length }, (_, back) => this.#decisions[(this.#next - 1 - back) % decisionsMax] as DecisionView);
  }

  async #owner({ session, key }: Asker): Promise<Assignment | undefined> {
    if (session === undefined || key !== undefined) return undefined;
    const owner = await this.#parts.ownerOf(session);
    const member = owner === undefined ? undefined : this.#parts.membership.member(owner);
    if (member?.status !== "healthy") return undefined;
    this.#count(member.node, 1);
    return { member, decision: { id: member.node, why: { rule: "owner", session } } };
  }

  #byRule(asker: Asker): Assignment | undefined {
    this.#refresh();
    const key = this.#keyOf(asker);
    const location = this.#locationOf(asker);
    const balancer = this.#balancerFor(key);
    const decision = balancer.pick({
      chance: this.#parts.random.next(),
      ...(key === undefined ? {} : { key }),
      ...(location === undefined ? {} : { location }),
    });
    if (decision === undefined) return undefined;
    balancer.adjust(decision.id, -1); // It counts with all of them, once.
    const member = this.#parts.membership.member(decision.id);
    if (member === undefined) return undefined;
    this.#count(member.node, 1);
    return { member, decision };
  }

  #balancerFor(key: string | undefined): Balancer {
    return key === undefined ? this.#balancer : this.#byKey;
  }

  #count(node: string, by: 1 | -1): void {
    this.#candidates.sent(node, by);
    this.#balancer.adjust(node, by);
    if (this.#byKey !== this.#balancer) this.#byKey.adjust(node, by);
  }

  /** At once when a member has changed or is out, else now and then: beats come and slow starts go on. */
  #refresh(): void {
    const { clock, membership } = this.#parts;
    const now = clock.now();
    if (!this.#isStale && Math.abs(now - this.#refreshedAt) < refreshMs) return;
    this.#isStale = false;
    this.#refreshedAt = now;
    const members = membership.members();
    this.#ejections.retain(new Set(members.map(({ node }) => node)));
    const isEjected = (node: string): boolean => this.#ejections.isEjected(node, now);
    const candidates = this.#candidates.of(members, { failover: this.#options.failover, isEjected });
    this.#balancer.update(candidates, now);
    if (this.#byKey !== this.#balancer) this.#byKey.update(candidates, now);
  }

  #keyOf({ key, session, subject, address }: Asker): string | undefined {
    if (key !== undefined) return key;
    switch (this.#options.affinity) {
      case "none":
        return undefined;
      case "ip":
        return address;
      case "session":
        return session;
      case "user":
        return subject === "" ? undefined : subject;
    }
  }

  #locationOf({ location, address }: Asker): Location | undefined {
    if (this.#options.algorithm !== "geographic" || location !== undefined) return location;
    return address === undefined ? undefined : this.#parts.locate?.(address);
  }
}

const keyed: ReadonlySet<Algorithm> = new Set(["hash", "consistentHash"]);

function balancers({ algorithm, slowStartMs, boundedLoad, nearKm }: BalancingOptions): [Balancer, Balancer] {
  const options = { slowStartMs, boundedLoad, nearKm };
  const own = createBalancer(algorithm, options);
  return [own, keyed.has(algorithm) ? own : createBalancer("hash", options)];
}
