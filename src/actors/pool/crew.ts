/**
 * The members that a record may go to: all of the pool, or those with one tag. Chooses among those with room.
 *
 * Pure: chance comes in.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import { type Balancer, createBalancer } from "../balancer/balancer.ts";
import type { PoolStrategy } from "./settings.ts";
import type { Item, Slot } from "./slot.ts";
import { Waiting } from "./waiting.ts";

export class Crew<R> {
  readonly waiting = new Waiting<Item<R>>();
  readonly #slots = new Map<string, Slot<R>>();
  /** With room for one more, and not left out. */
  readonly #free = new Set<Slot<R>>();
  readonly #full = new Set<string>();
  /** Neither draining nor left out. */
  readonly #working = new Set<Slot<R>>();
  readonly #strategy: PoolStrategy;
  readonly #balancer: Balancer;

  constructor(strategy: PoolStrategy) {
    this.#strategy = strategy;
    this.#balancer = createBalancer(strategy);
  }

  get hasFree(): boolean {
    return this.#free.size > 0;
  }

  isWorking(slot: Slot<R>): boolean {
    return this.#working.has(slot);
  }

  /** Who there is, what each weighs and has. */
  update(slots: readonly Slot<R>[], at: EpochMs): void {
    this.#slots.clear();
    this.#free.clear();
    this.#full.clear();
    this.#working.clear();
    const staying = slots.filter(({ member }) => !member.draining && member.weight > 0);
    const well = staying.filter(({ ejected }) => !ejected);
    for (const slot of well.length > 0 ? well : staying) this.#working.add(slot);
    for (const slot of slots) this.#slots.set(slot.id, slot);
    this.#balancer.update(
      slots.map((slot) => ({
        id: slot.id,
        weight: slot.member.weight,
        connections: slot.load,
        healthy: this.#working.has(slot),
        ...(slot.response.value === undefined ? {} : { responseMs: slot.response.value }),
      })),
      at,
    );
  }

  /** Whether it has room for one more has perhaps changed. */
  roomChanged(slot: Slot<R>, hasRoom: boolean): void {
    if (hasRoom) this.#full.delete(slot.id);
    else this.#full.add(slot.id);
    if (hasRoom && this.#working.has(slot)) this.#free.add(slot);
    else this.#free.delete(slot);
  }

  loadChanged(slot: Slot<R>, by: number): void {
    this.#balancer.adjust(slot.id, by);
  }

  /** One with room; it counts as loaded with one more from now on. Undefined: none has. */
  choose(key: string | undefined, chance: number): Slot<R> | undefined {
    if (this.#free.size === 0) return undefined;
    if (this.#free.size === 1) {
      const [slot] = this.#free;
      if (slot !== undefined) this.#balancer.adjust(slot.id, 1);
      return slot;
    }
    const { size } = this.#full;
    return this.#picked({
      chance,
      ...(key === undefined ? {} : { key }),
      ...(size === 0 ? {} : { except: this.#full }),
    });
  }

  /** Whose key it is, with room or without; undefined: nobody works. */
  ownerOf(key: string, chance: number): Slot<R> | undefined {
    const slot = this.#picked({ key, chance });
    if (slot !== undefined) this.#balancer.adjust(slot.id, -1); // Asked for, not given to.
    return slot;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** A key goes to whom its hash says, and to nobody else. */
  get byHash(): boolean {
    return this.#strategy === "hash";
  }

  #picked(ask: Parameters<Balancer["pick"]>[0]): Slot<R> | undefined {
    const decision = this.#balancer.pick(ask);
    return decision === undefined ? undefined : this.#slots.get(decision.id);
  }
}
