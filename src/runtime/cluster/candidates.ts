/**
 * What the balancer is told of the members of a cluster: whom it may choose, what each has in hand, and what was sent to
 * each since it last said so itself.
 *
 * Owns: what was sent counts until the node's next beat, and not longer.
 * @module
 */
import type { Candidate } from "../../actors/balancer/candidate.ts";
import type { Member, NodeLoad } from "./membership.ts";

export type CandidateRules = {
  /** Failover order: zones, the first one first; those that are not named come last. None: all are equal. */
  readonly failover: readonly string[];
  isEjected(node: string): boolean;
};

export class Candidates {
  /** With the report since which so many were sent. */
  readonly #sent = new Map<string, { readonly load: NodeLoad; count: number }>();

  sent(node: string, by: 1 | -1): void {
    const held = this.#sent.get(node);
    if (held !== undefined) held.count += by;
  }

  of(members: readonly Member[], rules: CandidateRules): readonly Candidate[] {
    const before = new Map(this.#sent);
    this.#sent.clear();
    for (const { node, load } of members) {
      const held = before.get(node);
      this.#sent.set(node, { load, count: held?.load === load ? held.count : 0 });
    }
    // Better one that may be slow than none at all.
    const serving = members.some(({ status }) => status === "healthy") ? "healthy" : "suspect";
    return members.map((member) => ({
      id: member.node,
      weight: member.weight,
      connections: member.load.connections + (this.#sent.get(member.node)?.count ?? 0),
      responseMs: member.load.loopDelayMs,
      cpu: member.load.cpu,
      ...(member.location === undefined ? {} : { location: member.location }),
      startedAt: member.startedAt,
      healthy: member.status === serving && member.compatible,
      ejected: rules.isEjected(member.node),
      tier: tierOf(member.zone, rules.failover),
    }));
  }
}

function tierOf(zone: string | undefined, failover: readonly string[]): number {
  const tier = zone === undefined ? -1 : failover.indexOf(zone);
  return tier < 0 ? failover.length : tier;
}
