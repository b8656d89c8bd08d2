/**
 * What this node knows of the others: one actor each, fed by their beats, their leases and their silence.
 *
 * Owns: of two processes with one name the younger counts; who has left does not come back but as another process.
 * @module
 */
import type { NodeEffect } from "../../actors/effect.ts";
import type { NodeProtocol } from "../../actors/node/events.ts";
import { type NodeSignal, nodeMachine, type SilenceBounds } from "../../actors/node/machine.ts";
import type { Clock, Logger } from "../ports.ts";
import type { Child, Supervisor } from "../supervisor.ts";
import { type Beat, overlap } from "./beat.ts";
import type { Hearing } from "./hearing.ts";
import type { Member, NodeInfo, NodeStatus } from "./membership.ts";

export type MembersParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly supervisor: Supervisor;
  readonly hearing: Hearing;
  readonly bounds: SilenceBounds;
  /** What this node speaks. */
  readonly protocol: NodeProtocol;
  /** One is new, or in another status. */
  readonly changed: (member: Member, change: MemberChange) => void;
  /** One is gone for sure. */
  readonly lost: (node: string) => void;
};

/** `silentMs`: since it was heard last. */
export type MemberChange = { readonly before: NodeStatus; readonly silentMs: number };

type Known = {
  info: NodeInfo;
  readonly actor: Child<NodeSignal>;
  status: NodeStatus;
  since: number;
  cause: string;
  readonly compatible: boolean;
  /** Of `hearing`, when it was heard last. */
  heardMs: number;
  heardAt: number;
  /** It was heard; else there is only its lease. */
  beats: boolean;
  leased: boolean;
  isLost: boolean;
};

/** Beyond these, who is new is not taken in before somebody is forgotten. */
const membersMax = 256;
/** Who was silent, or has left, for so long is forgotten. */
const forgetMs = 600_000;

export class Members {
  readonly #parts: MembersParts;
  readonly #known = new Map<string, Known>();
  readonly #machine = nodeMachine.provide({
    actions: { "perform effect": ({ context }, effect: NodeEffect) => this.#perform(context.node, effect) },
  });
  #toldFull = false;

  constructor(parts: MembersParts) {
    this.#parts = parts;
  }

  list(): readonly Member[] {
    return [...this.#known.values()].map(memberOf);
  }
  get(node: string): Member | undefined {
    const known = this.#known.get(node);
    return known === undefined ? undefined : memberOf(known);
  }
  /** What was heard of it says that it lives, whatever its lease says. */
  hears(node: string): boolean {
    const known = this.#known.get(node);
    return known !== undefined && this.#isHeard(known);
  }

  /** A beat. */
  heard(beat: Beat): void {
    const known = this.#current(beat);
    if (known === undefined) return;
    known.info = beat;
    known.beats = true;
    known.heardMs = this.#parts.hearing.ms;
    known.heardAt = this.#parts.clock.now();
    known.actor.send({ type: "node.says", status: beat.status, cause: beat.cause });
  }

  /** Its lease is there. Who is not heard yet is known by it, as joining. */
  leased(beat: Beat): void {
    const known = this.#current(beat);
    if (known !== undefined) known.leased = true;
  }

  /** Its lease is over, or was given back. */
  leaseEnded(node: string): void {
    const known = this.#known.get(node);
    if (known === undefined) return this.#parts.lost(node);
    known.leased = false;
    this.#judge(known);
  }

  /** This node heard the bus: silence counts. */
  listened(): void {
    const { hearing } = this.#parts;
    for (const [node, known] of this.#known) {
      const ms = hearing.ms - known.heardMs;
      if (ms < this.#parts.bounds.suspectMs) continue;
      known.actor.send({ type: "node.silent", ms });
      this.#judge(known);
      if (ms < forgetMs) continue;
      if (!known.leased) known.actor.send({ type: "node.forgotten" });
      if (known.status === "left") this.#forget(node);
    }
  }

  stop(): void {
    for (const node of [...this.#known.keys()]) this.#forget(node);
  }

  /** Undefined: it is of a process that is not there any more, or there is no room. */
  #current(beat: Beat): Known | undefined {
    const known = this.#known.get(beat.node);
    if (known?.info.incarnation === beat.incarnation) return known;
    if (known !== undefined && beat.startedAt < known.info.startedAt) return undefined;
    known?.actor.send({ type: "node.says", status: "left", cause: "another process has its name" });
    if (known !== undefined) this.#forget(beat.node);
    return this.#known.size < membersMax ? this.#meet(beat) : this.#full();
  }

  #meet(info: Beat): Known {
    const { clock, hearing, supervisor, bounds } = this.#parts;
    const { node } = info;
    const compatible = overlap(info.protocol, this.#parts.protocol);
    if (!compatible) this.#warn(info);
    const id = actorOf(node);
    const input = { node, bounds };
    const actor = supervisor.spawn(this.#machine, { id, input, owner: { crashed: () => this.#known.delete(node) } });
    const now = clock.now();
    const known: Known = {
      ...{ info, actor, compatible, since: now, cause: info.cause, heardMs: hearing.ms, heardAt: now },
      ...{ status: "joining", beats: false, leased: false, isLost: false },
    };
    this.#known.set(node, known);
    this.#parts.changed(memberOf(known), { before: "joining", silentMs: 0 });
    return known;
  }

  #full(): undefined {
    if (!this.#toldFull) this.#parts.logger.log("warn", "too many nodes", { max: membersMax });
    this.#toldFull = true;
    return undefined;
  }

  #warn({ node, version, protocol }: NodeInfo): void {
    this.#parts.logger.log("warn", "node of another release", {
      ...{ node, version, speaks: rangeText(protocol), here: rangeText(this.#parts.protocol) },
      change: "nodes work together one release apart: update one release at a time",
    });
  }

  #perform(node: string, { status, cause }: NodeEffect): void {
    const known = this.#known.get(node);
    if (known === undefined) return;
    const now = this.#parts.clock.now();
    const before = known.status;
    known.status = status;
    known.since = now;
    known.cause = cause;
    this.#parts.changed(memberOf(known), { before, silentMs: Math.max(0, now - known.heardAt) });
    this.#judge(known);
  }

  /** Gone for sure: neither heard nor holding its lease. */
  #judge(known: Known): void {
    const isLost = !known.leased && !this.#isHeard(known);
    if (isLost && !known.isLost) this.#parts.lost(known.info.node);
    known.isLost = isLost;
  }

  #isHeard({ beats, status, heardMs }: Known): boolean {
    return beats && status !== "left" && this.#parts.hearing.ms - heardMs < this.#parts.bounds.unhealthyMs;
  }

  #forget(node: string): void {
    this.#known.delete(node);
    this.#parts.supervisor.forget(actorOf(node));
    this.#toldFull = false;
  }
}

const actorOf = (node: string) => `node:${node}`;

export function rangeText({ min, max }: { readonly min: number; readonly max: number }): string {
  return min === max ? String(min) : `${min} to ${max}`;
}

function memberOf({ info, status, since, cause, compatible }: Known): Member {
  return { ...info, status, since, cause, compatible };
}
