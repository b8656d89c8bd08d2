/**
 * This node as a member of its cluster: claims its name, beats, listens to the others, and leaves. What it sees goes to
 * the journals of the nodes.
 *
 * On a log of one node there is nobody to tell: a cluster of one, without beats and lease.
 * @module
 */
import type { NodeEffect } from "../../actors/effect.ts";
import type { NodeProtocol } from "../../actors/node/events.ts";
import { type NodeSignal, nodeMachine, type SaidStatus, type SilenceBounds } from "../../actors/node/machine.ts";
import type { Bus } from "../bus/bus.ts";
import type { EventLog, KeyValueChange } from "../log/event-log.ts";
import type { LatencyHistogram } from "../metrics.ts";
import type { Clock, Logger, Timer } from "../ports.ts";
import type { Child, Supervisor } from "../supervisor.ts";
import { type Beat, decodeBeat, encodeBeat, overlap } from "./beat.ts";
import { Hearing } from "./hearing.ts";
import { Lease, leasePrefix, NodeRefusedError } from "./lease.ts";
import { type MemberChange, Members, rangeText } from "./members.ts";
import type { Member, Membership, NodeInfo, NodeLoad, NodeStatus } from "./membership.ts";
import type { NodeFacts } from "./node-facts.ts";

/** What of this node does not change. */
export type Identity = Pick<NodeInfo, "node" | "version" | "weight" | "zone" | "location" | "startedAt">;

export type MembershipParts = {
  readonly log: EventLog;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly supervisor: Supervisor;
  readonly facts: NodeFacts;
  readonly identity: Identity;
  /** Unique for this start. */
  readonly incarnation: string;
  /** What it speaks. */
  readonly protocol: NodeProtocol;
  /** Silence of members when they were found unhealthy. */
  readonly detection: LatencyHistogram;
  load(): NodeLoad;
  /** Another process has this node's name: this one is to end. */
  replaced(why: string): void;
};

type Where = Pick<NodeInfo, "url" | "http">;

const beatSubject = "b.beat";
const beatMs = 500;
/** Three beats missing, and five: found in under 3 s. */
export const silenceBounds: SilenceBounds = { suspectMs: 1_500, unhealthyMs: 2_500 };
const leasesMax = 1_000;

export class NodeMembership implements Membership {
  readonly #parts: MembershipParts;
  readonly #hearing = new Hearing(beatMs);
  readonly #members: Members;
  readonly #lease: Lease;
  #actor: Child<NodeSignal>;
  readonly #changed = new Set<(member: Member) => void>();
  readonly #lost = new Set<(node: string) => void>();
  #where: Where = { url: "", http: "" };
  #status: NodeStatus = "joining";
  #since: number;
  #cause = "started";
  /** What it would be if it could serve. */
  #wants: { readonly status: SaidStatus; readonly cause: string } = { status: "joining", cause: "started" };
  #replaced = false;
  #joined = false;
  #timer: Timer | undefined;
  #follows: { stop(): void }[] = [];

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    const { clock, logger, supervisor, log, bus } = parts;
    this.#since = clock.now();
    this.#members = new Members({
      ...{ clock, logger, supervisor, hearing: this.#hearing, bounds: silenceBounds, protocol: parts.protocol },
      changed: (member, change) => this.#memberChanged(member, change),
      lost: (node) => this.#tellLost(node),
    });
    this.#lease = new Lease({
      ...{ log, bus, clock, logger, node: parts.identity.node, incarnation: parts.incarnation },
      beat: () => this.#beat(),
      renewed: () => this.#renewed(),
      replaced: (why) => {
        this.#replaced = true;
        this.#say();
        parts.replaced(why);
      },
    });
    this.#actor = this.#spawn();
  }

  /** One that crashed comes back, and is told at once what it is. */
  #spawn(): Child<NodeSignal> {
    const { supervisor, identity } = this.#parts;
    const { node } = identity;
    const machine = nodeMachine.provide({
      actions: { "perform effect": (_, effect: NodeEffect) => this.#selfChanged(effect) },
    });
    const crashed = (): void => {
      this.#actor = this.#spawn();
      this.#say();
    };
    return supervisor.spawn(machine, {
      id: `node:${node}`,
      input: { node, bounds: silenceBounds },
      owner: { crashed },
    });
  }

  // --- what it knows ---

  get self(): Member {
    const { status, cause } = { status: this.#status, cause: this.#cause };
    return { ...this.#info(), status, since: this.#since, cause, compatible: true };
  }
  members(): readonly Member[] {
    return [this.self, ...this.#members.list()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }
  member(node: string): Member | undefined {
    return node === this.#node ? this.self : this.#members.get(node);
  }
  onChange(listener: (member: Member) => void): { stop(): void } {
    this.#changed.add(listener);
    return { stop: () => void this.#changed.delete(listener) };
  }
  onLost(listener: (node: string) => void): { stop(): void } {
    this.#lost.add(listener);
    return { stop: () => void this.#lost.delete(listener) };
  }

  async isAlive(node: string): Promise<boolean> {
    if (!this.#shared || node === this.#node) return false;
    if (this.#members.hears(node)) return true;
    return (await this.#parts.log.keyValue.get(leasePrefix + node)) !== undefined;
  }

  get serves(): boolean {
    return !this.#replaced && (!this.#shared || this.#lease.serves);
  }

  // --- its life ---

  /** Takes the name of this node. Throws `NodeRefusedError` when it may not. */
  async claim(): Promise<void> {
    if (!this.#shared) return;
    const { log, bus } = this.#parts;
    await this.#lease.claim();
    this.#follows = [
      bus.subscribe(beatSubject, ({ data }) => this.#heard(data)),
      log.keyValue.watch(leasePrefix, (change) => this.#leaseChanged(change)),
    ];
    for (const { value } of await log.keyValue.list(leasePrefix, "", leasesMax)) {
      const beat = decodeBeat(value);
      if (beat !== undefined && !overlap(beat.protocol, this.#parts.protocol)) {
        await this.leave("refused");
        throw refused(beat, this.#parts);
      }
      this.#leased(beat);
    }
  }

  /** It listens, and takes clients from now on. */
  joined(where: Where): void {
    const { facts, clock, identity, incarnation, protocol } = this.#parts;
    this.#where = where;
    this.#joined = true;
    const about = { incarnation, url: where.url, version: identity.version, protocol };
    facts.tell(this.#node, { type: "Join", at: clock.now(), ...about });
    this.#want("healthy", "takes clients");
    if (!this.#shared) return;
    this.#lease.rewrite();
    this.#beatOn();
  }

  drains(reason: string): void {
    this.#want("draining", reason);
  }
  undrained(): void {
    this.#want("healthy", "takes clients again");
  }

  /** Everybody knows at once. */
  async leave(reason: string): Promise<void> {
    this.#timer?.cancel();
    if (this.#joined) this.#want("left", reason);
    for (const follow of this.#follows.splice(0)) follow.stop();
    this.#members.stop();
    if (this.#shared) await this.#lease.release();
  }

  get #node(): string {
    return this.#parts.identity.node;
  }
  get #shared(): boolean {
    return this.#parts.log.info().shared;
  }

  #info(): NodeInfo {
    const { identity, incarnation, protocol, load } = this.#parts;
    return { ...identity, ...this.#where, incarnation, protocol, load: load() };
  }

  #beat(): Beat {
    const status = this.#status === "suspect" ? "unhealthy" : this.#status;
    return { ...this.#info(), status, cause: this.#cause };
  }

  #want(status: SaidStatus, cause: string): void {
    this.#wants = { status, cause };
    this.#say();
  }

  /** Who cannot serve says so, unless it leaves. */
  #say(): void {
    const { status, cause } = this.#wants;
    const cannot = this.#joined && !this.serves && status !== "left";
    const why = this.#replaced ? "another process has its name" : "its lease could not be renewed";
    this.#actor.send({
      type: "node.says",
      ...(cannot ? { status: "unhealthy" as const, cause: why } : { status, cause }),
    });
  }

  #selfChanged({ status, cause }: NodeEffect): void {
    const { clock, logger } = this.#parts;
    this.#status = status;
    this.#since = clock.now();
    this.#cause = cause;
    logger.log(status === "unhealthy" ? "warn" : "info", "node status", { node: this.#node, status, cause });
    this.#observed(this.self);
    if (this.#shared) this.#send();
    for (const listener of this.#changed) listener(this.self);
  }

  #renewed(): void {
    this.#say();
    // What others wrote of it while they did not hear it.
    if (this.#joined) this.#observed(this.self);
  }

  // --- beats ---

  #beatOn(): void {
    this.#timer = this.#parts.clock.after(beatMs, () => {
      this.#send();
      this.#beatOn();
    });
  }

  #send(): void {
    this.#parts.bus.publish(beatSubject, encodeBeat(this.#beat()));
  }

  #heard(data: Uint8Array): void {
    const beat = decodeBeat(data);
    if (beat === undefined) return;
    if (beat.node !== this.#node) return this.#members.heard(beat);
    if (beat.incarnation !== this.#parts.incarnation) return; // The lease decides which of both is to end.
    this.#hearing.echoed(this.#parts.clock.now());
    this.#members.listened();
  }

  // --- leases of the others ---

  #leaseChanged(change: KeyValueChange): void {
    const node = change.key.slice(leasePrefix.length);
    if (node === this.#node) return;
    if ("deleted" in change) this.#members.leaseEnded(node);
    else this.#leased(decodeBeat(change.value));
  }

  #leased(beat: Beat | undefined): void {
    if (beat === undefined || beat.node === this.#node) return;
    this.#members.leased(beat);
  }

  // --- what it tells ---

  #memberChanged(member: Member, { before, silentMs }: MemberChange): void {
    const { node, status, cause } = member;
    if (status === "unhealthy" && silentMs > silenceBounds.suspectMs) this.#parts.detection.observe(silentMs);
    this.#parts.logger.log(isTrouble(status) ? "warn" : "info", "member status", { node, status, cause });
    // What it says of itself it writes itself.
    if (isTrouble(status) || isTrouble(before)) this.#observed(member);
    for (const listener of this.#changed) listener(member);
  }

  #observed({ node, incarnation, status, cause }: Member): void {
    const { facts, clock } = this.#parts;
    facts.tell(node, { type: "Observe", at: clock.now(), incarnation, status, by: this.#node, cause });
  }

  #tellLost(node: string): void {
    this.#parts.logger.log("info", "node lost", { node });
    for (const listener of this.#lost) listener(node);
  }
}

function isTrouble(status: NodeStatus): boolean {
  return status === "suspect" || status === "unhealthy";
}

function refused({ node, version, protocol, url }: Beat, own: MembershipParts): NodeRefusedError {
  const here = `version ${own.identity.version} (node protocol ${rangeText(own.protocol)})`;
  return new NodeRefusedError(
    `Node ${node} at ${url} runs version ${version} (node protocol ${rangeText(protocol)}), and cannot work with ${here}: update one release at a time`,
  );
}
