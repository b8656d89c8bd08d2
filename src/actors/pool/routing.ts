/**
 * To whom a record may go, and where it waits until then: for any member, for any with its tag, or for the one member that
 * has its key.
 *
 * Pure: chance comes in. Bounded: keys that stay with a member by `keysMax`; of more, the one not seen for the longest is
 * placed anew.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { Stickiness } from "../balancer/stickiness.ts";
import { Crew } from "./crew.ts";
import type { PoolSettings } from "./settings.ts";
import type { Item, Slot } from "./slot.ts";

export type RoutingOptions = {
  readonly settings: Pick<PoolSettings, "strategy" | "stickyHeader">;
  /** Uniform in [0, 1). */
  readonly chance: () => number;
  /** Of one member, given out. */
  readonly memberBytesMax: number;
};
export type Route<R> = { readonly item: Item<R>; readonly slot: Slot<R> };

const keysMax = 65_536;

export class Routing<R> {
  #options: RoutingOptions;
  readonly slots = new Map<string, Slot<R>>();
  /** By tag; "": everybody. */
  readonly #crews = new Map<string, Crew<R>>();
  #sticky = new Stickiness(keysMax);
  #at: EpochMs = 0;

  constructor(options: RoutingOptions) {
    this.#options = options;
  }

  // --- members ---

  /** Who there is, what each weighs, who is left out: as the slots say now. */
  refresh(at: EpochMs): void {
    this.#at = at;
    this.#crewOf("");
    for (const [tag, crew] of this.#crews) this.#fill(crew, tag);
    for (const slot of this.slots.values()) if (slot.bound.size > 0 && !this.#works(slot)) this.unbind(slot);
  }

  /** What waits for this member waits for another. */
  unbind(slot: Slot<R>): void {
    const bound = [...slot.bound];
    while (slot.bound.take() !== undefined);
    for (const item of bound) {
      this.#loaded(slot, -1);
      this.add(item);
    }
  }

  configure(settings: RoutingOptions["settings"], at: EpochMs): void {
    const { strategy, stickyHeader } = this.#options.settings;
    if (settings.strategy === strategy && settings.stickyHeader === stickyHeader) return;
    this.#options = { ...this.#options, settings };
    this.#sticky = new Stickiness(keysMax);
    const waiting = [...this.items()];
    this.#crews.clear();
    for (const slot of this.slots.values()) while (slot.bound.take() !== undefined);
    this.refresh(at);
    for (const item of waiting) this.add(item);
  }

  // --- waiting ---

  add(item: Item<R>): void {
    const crew = this.#crewOf(item.tag ?? "");
    const owner = this.#ownerOf(item, crew);
    if (owner === undefined) return crew.waiting.add(item);
    owner.bound.add(item);
    this.#loaded(owner, 1);
  }

  *items(): Iterable<Item<R>> {
    for (const { bound } of this.slots.values()) yield* bound;
    for (const { waiting } of this.#crews.values()) yield* waiting;
  }

  /** Since when the record waits that waits longest; undefined: none does. */
  get oldest(): EpochMs | undefined {
    const firsts = [
      ...Array.from(this.slots.values(), ({ bound }) => bound.first()),
      ...Array.from(this.#crews.values(), ({ waiting }) => waiting.first()),
    ].flatMap((item) => (item === undefined ? [] : [item.since]));
    return firsts.length === 0 ? undefined : Math.min(...firsts);
  }

  // --- going ---

  /**
   * Calls back with each record that can go now, and to whom; `give` puts it there. Answers whether some would go but for
   * `upTo`.
   */
  route(upTo: Seq, give: (route: Route<R>) => void): boolean {
    let held = false;
    for (const slot of this.slots.values()) {
      for (let item = slot.bound.first(); item !== undefined && this.#hasRoom(slot); item = slot.bound.first()) {
        if (item.seq > upTo) {
          held = true;
          break;
        }
        slot.bound.take();
        give({ item, slot });
        this.#roomChanged(slot);
      }
    }
    for (const [tag, crew] of this.#crews) {
      held = this.#routeCrew(crew, upTo, give) || held;
      if (tag !== "" && crew.waiting.size === 0 && crew.size === 0) this.#crews.delete(tag);
    }
    return held;
  }

  #routeCrew(crew: Crew<R>, upTo: Seq, give: (route: Route<R>) => void): boolean {
    for (let item = crew.waiting.first(); item !== undefined && crew.hasFree; item = crew.waiting.first()) {
      if (item.seq > upTo) return true;
      crew.waiting.take();
      const owner = this.#ownerOf(item, crew);
      const slot = owner ?? crew.choose(item.key, this.#options.chance());
      if (slot === undefined) {
        crew.waiting.add(item); // Nobody that works has a weight.
        return false;
      }
      if (owner !== undefined || !this.#isSticky(item)) this.#loaded(slot, 1, owner === undefined ? crew : undefined);
      else {
        this.#sticky.keep(item.key as string, slot.id);
        this.#loaded(slot, 1, crew);
      }
      if (this.#hasRoom(slot)) {
        give({ item, slot });
        this.#roomChanged(slot);
      } else slot.bound.add(item);
    }
    return false;
  }

  /** One of its records is not with it any more. */
  released(slot: Slot<R>): void {
    this.#loaded(slot, -1);
    this.#roomChanged(slot);
  }

  // --- inside ---

  /** Who has the key; undefined: anybody may have the record. */
  #ownerOf(item: Item<R>, crew: Crew<R>): Slot<R> | undefined {
    const { key } = item;
    if (key === undefined) return undefined;
    if (this.#isSticky(item)) {
      const slot = this.slots.get(this.#sticky.idOf(key) ?? "");
      if (slot !== undefined && crew.isWorking(slot)) return slot;
    }
    return crew.byHash ? crew.ownerOf(key, this.#options.chance()) : undefined;
  }

  #isSticky({ key }: Item<R>): boolean {
    return key !== undefined && this.#options.settings.stickyHeader !== "";
  }

  #works(slot: Slot<R>): boolean {
    return this.#crewOf("").isWorking(slot);
  }

  #hasRoom(slot: Slot<R>): boolean {
    return slot.hasRoom(this.#options.memberBytesMax);
  }

  #roomChanged(slot: Slot<R>): void {
    const hasRoom = this.#hasRoom(slot);
    for (const crew of this.#crewsOf(slot)) crew.roomChanged(slot, hasRoom);
  }

  /** `counted`: this crew knows of it already. */
  #loaded(slot: Slot<R>, by: number, counted?: Crew<R>): void {
    for (const crew of this.#crewsOf(slot)) if (crew !== counted) crew.loadChanged(slot, by);
  }

  *#crewsOf(slot: Slot<R>): Iterable<Crew<R>> {
    for (const tag of ["", ...slot.member.tags]) {
      const crew = this.#crews.get(tag);
      if (crew !== undefined) yield crew;
    }
  }

  #crewOf(tag: string): Crew<R> {
    let crew = this.#crews.get(tag);
    if (crew === undefined) {
      crew = new Crew<R>(this.#options.settings.strategy);
      this.#crews.set(tag, crew);
      this.#fill(crew, tag);
    }
    return crew;
  }

  #fill(crew: Crew<R>, tag: string): void {
    const slots = [...this.slots.values()].filter((slot) => tag === "" || slot.tags.has(tag));
    crew.update(slots, this.#at);
    for (const slot of slots) crew.roomChanged(slot, this.#hasRoom(slot));
  }
}
