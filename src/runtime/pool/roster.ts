/**
 * The members of a pool as its coordinator keeps them: who joins, who leaves or is sent away, whose node is gone.
 *
 * Owns: a member that is not there any more has nothing; its records go to others at once.
 * @module
 */
import type { PoolMember } from "../../actors/pool/events.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { PoolContext } from "./context.ts";
import type { Failures } from "./failures.ts";
import { type Announced, type Answer, type ItemOf, presentMs } from "./messages.ts";

/** A node has told so often whom it has, and not named the member: it is gone, and that it left was lost. */
const missedMax = 3;

export class Roster {
  readonly #context: PoolContext;
  readonly #failures: Failures;
  /** When a member was named last. */
  readonly #seenAt = new Map<string, EpochMs>();

  constructor(context: PoolContext, failures: Failures) {
    this.#context = context;
    this.#failures = failures;
  }

  // --- coming ---

  async join(member: PoolMember): Promise<Answer> {
    const { ledger, store } = this.#context;
    if (ledger.slot(member.id) !== undefined) return { ok: true }; // asked again, because the answer was lost
    const decision = await this.#context.record({ type: "Join", member });
    if (!decision.ok && decision.rejection !== "alreadyMember") return { ok: false, because: decision.rejection };
    ledger.join(store.state.members.get(member.id) ?? member);
    this.#seenAt.set(member.id, this.#context.now());
    this.#context.moved();
    return { ok: true };
  }

  /** A node tells whom it has, and what they have from an earlier coordinator. */
  announced(node: string, members: readonly Announced[]): void {
    const { ledger, store, begun } = this.#context;
    for (const { member, holds } of members) {
      if (ledger.slot(member.id) === undefined) {
        const known = store.state.members.get(member.id);
        ledger.join(known ?? member);
        if (known === undefined) this.#context.guard(this.#context.record({ type: "Join", member }));
      }
      this.#seenAt.set(member.id, this.#context.now());
      const refused = holds.filter(({ item: seq, attempt }) =>
        begun
          ? ledger.slot(member.id)?.held.has(seq) !== true
          : !ledger.adopt(member.id, { seq, attempt }, this.#context.now()),
      );
      this.revoke(
        node,
        refused.map(({ item }) => ({ member: member.id, item })),
      );
    }
  }

  /** Members that the journal tells of and nobody has announced. */
  async forgetSilent(): Promise<void> {
    for (const { id } of this.#context.store.state.members.values())
      if (this.#context.ledger.slot(id) === undefined)
        await this.#context.record({ type: "Leave", member: id, cause: "notHeard", returned: 0 });
  }

  // --- staying ---

  present(node: string, members: readonly string[]): void {
    const now = this.#context.now();
    const there = new Set(members);
    for (const id of there) {
      if (this.#context.ledger.slot(id) === undefined) this.#tellEnded(node, id, "notMember");
      else this.#seenAt.set(id, now);
    }
    for (const { id, member } of [...this.#context.ledger.slots()]) {
      const isMissing = now - (this.#seenAt.get(id) ?? now) > missedMax * presentMs;
      if (member.node === node && !there.has(id) && isMissing) this.remove(id, "notHeard");
    }
  }

  revoke(node: string, items: readonly ItemOf[]): void {
    const { link, term } = this.#context;
    if (items.length > 0) link.toNode(node, { type: "revoke", term, items });
  }

  // --- going ---

  /** False: no such member. What it has goes to others at once. */
  remove(id: string, cause: string): boolean {
    const { ledger } = this.#context;
    const slot = ledger.slot(id);
    if (slot === undefined) return false;
    const { returned, last } = ledger.leave(id, this.#context.now());
    this.#seenAt.delete(id);
    this.#tellEnded(slot.member.node, id, cause);
    this.#context.guard(this.#left(id, cause, returned));
    for (const work of last) this.#context.guard(this.#failures.failed(work, cause));
    this.#context.moved();
    return true;
  }

  async #left(member: string, cause: string, returned: number): Promise<void> {
    await this.#context.record({ type: "Leave", member, cause, returned });
  }

  nodeGone(node: string): void {
    for (const { id, member } of [...this.#context.ledger.slots()])
      if (member.node === node) this.remove(id, "nodeLost");
  }

  /** Nothing new for it, from now on; with the last that it has, it is gone. */
  async drain(member: string, by: string): Promise<Answer> {
    if (this.#context.ledger.slot(member) === undefined) return { ok: false, because: "notMember" };
    this.#context.ledger.change(member, { draining: true }, this.#context.now());
    await this.#context.record({ type: "DrainMember", member, by });
    this.endDrained();
    return { ok: true };
  }

  endDrained(): void {
    for (const { id, member, held } of [...this.#context.ledger.slots()])
      if (member.draining && held.size === 0) this.remove(id, "drained");
  }

  endAll(cause: string): void {
    for (const { id, member } of this.#context.ledger.slots()) this.#tellEnded(member.node, id, cause);
  }

  #tellEnded(node: string, member: string, cause: string): void {
    const { link, term } = this.#context;
    link.toNode(node, { type: "ended", term, member, cause });
  }
}
