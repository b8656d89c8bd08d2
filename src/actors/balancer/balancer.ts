/**
 * Chooses one of several by a rule: a node for a client, a member of a pool for a piece of work, a server for a
 * connection.
 *
 * Pure: no clock and no chance of its own; the same reports and questions in the same order bring the same decisions.
 * Owns: whom candidate.ts rules out is never chosen; what was chosen counts as work in hand until the next report, or a
 * thousand that come between two reports would all find the same one idle.
 * @module
 */
import { assert, unreachable } from "../../protocol/assert.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import { AliasTable } from "./alias-table.ts";
import type { Ask } from "./ask.ts";
import type { Candidate, Location } from "./candidate.ts";
import { Ring } from "./consistent-hash.ts";
import { Fleet } from "./fleet.ts";
import { distanceKm, geographic } from "./geographic.ts";
import { leastConnections, leastOf, leastResponseTime, responseTimes } from "./least.ts";
import { freeWeights, powerOfTwo, random, resourceAware } from "./power-of-two.ts";
import { Rendezvous } from "./rendezvous.ts";
import { RoundRobin, WeightedRoundRobin } from "./rotation.ts";
import { Stickiness } from "./stickiness.ts";
import { burdenOf, type Decision } from "./why.ts";

export const algorithms = [
  "powerOfTwo",
  "roundRobin",
  "weightedRoundRobin",
  "random",
  "leastConnections",
  "leastResponseTime",
  "consistentHash",
  "hash",
  "geographic",
  "resourceAware",
] as const;
export type Algorithm = (typeof algorithms)[number];

export type BalancerOptions = {
  /** How long the weight of one that has just started grows to its full, in milliseconds. 0: it has it at once. @default 0 */
  readonly slowStartMs?: number;
  /** Of `consistentHash`: so many times its share one may hold. 1 to 100; near 1 keys move more often. @default 1.25 */
  readonly boundedLoad?: number;
  /** Of `geographic`: further away than the nearest by so many kilometres is as near. @default 50 */
  readonly nearKm?: number;
  /** Keys whose place is remembered, for rules that do not go by the key. 0: none are. @default 0 */
  readonly stickyKeysMax?: number;
};

export type Balancer = {
  /** Whom there is to choose from, in full, with what each has in hand. */
  update(candidates: readonly Candidate[], now: EpochMs): void;
  /** Undefined: none can be chosen. What is chosen has one more in hand. */
  pick(ask: Ask): Decision | undefined;
  /**
   * Whether what was decided is worth leaving `from` for. By rules that compare it is when `from` has more than `margin`
   * times as much in hand (or as slow, or as little free); by the others whenever it is another one.
   */
  isBetter(decision: Decision, from: string, options: BetterOptions): boolean;
  /** It has so much more in hand than was reported, or less: −1 when a piece of work is done. */
  adjust(id: string, by: number): void;
  /** How many can be chosen. */
  readonly size: number;
};

export type BetterOptions = {
  /** 1 to 100. Near 1 small differences count, which are old by the time they are known. */
  readonly margin: number;
  /** Of whoever asked. */
  readonly location?: Location;
};

const defaults = { slowStartMs: 0, boundedLoad: 1.25, nearKm: 50, stickyKeysMax: 0 };
const keyed: ReadonlySet<Algorithm> = new Set(["hash", "consistentHash"]);

export function createBalancer(algorithm: Algorithm = "powerOfTwo", options: BalancerOptions = {}): Balancer {
  return new RuleBalancer(algorithm, { ...defaults, ...options });
}

class RuleBalancer implements Balancer {
  readonly #algorithm: Algorithm;
  readonly #options: Required<BalancerOptions>;
  readonly #sticky: Stickiness | undefined;
  readonly #turns = new RoundRobin();
  readonly #weightedTurns = new WeightedRoundRobin();
  #fleet: Fleet;
  /** These are made of the fleet when they are asked for. The ring is dear, and outlives fleets of the same ones. */
  #ring: Ring | undefined;
  #rendezvous: Rendezvous | undefined;
  #times: readonly number[] | undefined;
  #free: { readonly weights: readonly number[]; readonly samples: AliasTable } | undefined;

  constructor(algorithm: Algorithm, options: Required<BalancerOptions>) {
    const { slowStartMs, boundedLoad, nearKm, stickyKeysMax } = options;
    assert(slowStartMs >= 0, `slowStartMs is a time from 0, not ${slowStartMs}`);
    assert(boundedLoad >= 1 && boundedLoad <= 100, `boundedLoad is 1 to 100, not ${boundedLoad}`);
    assert(nearKm >= 0, `nearKm is a distance from 0, not ${nearKm}`);
    this.#algorithm = algorithm;
    this.#options = options;
    this.#sticky = stickyKeysMax > 0 && !keyed.has(algorithm) ? new Stickiness(stickyKeysMax) : undefined;
    this.#fleet = new Fleet([], { slowStartMs, now: 0 });
  }

  get size(): number {
    return this.#fleet.size;
  }

  update(candidates: readonly Candidate[], now: EpochMs): void {
    this.#fleet = new Fleet(candidates, { slowStartMs: this.#options.slowStartMs, now });
    if (this.#ring?.fits(this.#fleet) === false) this.#ring = undefined;
    this.#rendezvous = undefined;
    this.#times = undefined;
    this.#free = undefined;
  }

  adjust(id: string, by: number): void {
    this.#fleet.adjust(id, by);
  }

  pick(ask: Ask): Decision | undefined {
    if (this.#fleet.size === 0) return undefined;
    const decision = this.#sticks(ask) ?? this.#fallback(ask, this.#decide(ask));
    if (decision === undefined) return undefined;
    this.#fleet.adjust(decision.id, 1);
    if (ask.key !== undefined) this.#sticky?.keep(ask.key, decision.id);
    return decision;
  }

  isBetter({ id, why }: Decision, from: string, { margin, location }: BetterOptions): boolean {
    if (id === from) return false;
    const [here, there] = [this.#fleet.placeOf(from), this.#fleet.placeOf(id)];
    if (here < 0 || there < 0) return there >= 0;
    switch (why.rule) {
      case "geographic": {
        const own = this.#fleet.at(here).location;
        const km = own === undefined || location === undefined ? Number.POSITIVE_INFINITY : distanceKm(location, own);
        return km > why.km + this.#options.nearKm || this.#burden(here) > margin * this.#burden(there);
      }
      case "powerOfTwo":
      case "leastConnections":
        return this.#burden(here) > margin * this.#burden(there);
      case "leastResponseTime":
        return this.#costMs(here) > margin * this.#costMs(there);
      case "resourceAware": {
        const { weights } = this.#freeOnes();
        return (weights[there] as number) > margin * (weights[here] as number);
      }
      default:
        return true;
    }
  }

  #burden(place: number): number {
    return burdenOf(this.#fleet.load(place), this.#fleet.weight(place));
  }
  #costMs(place: number): number {
    return (this.#timesNow()[place] as number) * this.#burden(place);
  }
  #timesNow(): readonly number[] {
    return (this.#times ??= responseTimes(this.#fleet));
  }
  #freeOnes() {
    if (this.#free !== undefined) return this.#free;
    const weights = freeWeights(this.#fleet);
    return (this.#free = { weights, samples: new AliasTable(weights) });
  }

  #sticks({ key, except }: Ask): Decision | undefined {
    const id = key === undefined ? undefined : this.#sticky?.idOf(key);
    if (id === undefined || this.#fleet.placeOf(id) < 0 || except?.has(id) === true) return undefined;
    return { id, why: { rule: "sticky" } };
  }

  #decide(ask: Ask): Decision {
    const fleet = this.#fleet;
    if (fleet.size === 1) return { id: fleet.id(0), why: { rule: "only" } };
    switch (this.#algorithm) {
      case "powerOfTwo":
        return powerOfTwo(fleet, ask);
      case "roundRobin":
        return this.#turns.next(fleet);
      case "weightedRoundRobin":
        return this.#weightedTurns.next(fleet);
      case "random":
        return random(fleet, ask);
      case "leastConnections":
        return leastConnections(fleet, ask);
      case "leastResponseTime":
        return leastResponseTime(fleet, this.#timesNow(), ask);
      case "consistentHash":
        return ask.key === undefined ? powerOfTwo(fleet, ask, "key") : this.#onRing(ask.key);
      case "hash":
        return ask.key === undefined ? powerOfTwo(fleet, ask, "key") : this.#byHash(ask.key);
      case "geographic":
        return this.#nearest(ask);
      case "resourceAware":
        return resourceAware(fleet, this.#freeOnes().samples, ask);
      default:
        return unreachable(this.#algorithm);
    }
  }

  #onRing(key: string): Decision {
    this.#ring ??= new Ring(this.#fleet);
    return this.#ring.choose(this.#fleet, key, this.#options.boundedLoad);
  }

  #byHash(key: string): Decision {
    this.#rendezvous ??= new Rendezvous(this.#fleet.candidates);
    return this.#rendezvous.choose(key);
  }

  #nearest({ chance, location }: Ask): Decision {
    const fleet = this.#fleet;
    const isSomewhere = fleet.candidates.some((one) => one.location !== undefined);
    if (location === undefined || !isSomewhere) return powerOfTwo(fleet, { chance }, "location");
    return geographic(fleet, { chance, location }, this.#options.nearKm);
  }

  /** Another one, when whoever asks has tried this one: by the key's hash, or the one with the least in hand. */
  #fallback({ except, key, chance }: Ask, decision: Decision): Decision | undefined {
    if (except?.has(decision.id) !== true) return decision;
    const fleet = this.#fleet;
    const rest = fleet.candidates.flatMap(({ id }, place) => (except.has(id) ? [] : [place]));
    if (rest.length === 0) return undefined;
    const why = { rule: "failover", instead: decision.id } as const;
    if (key !== undefined) {
      const others = new Rendezvous(rest.map((place) => fleet.at(place)));
      return { id: others.choose(key).id, why };
    }
    const at = leastOf({ size: rest.length }, chance, (index) => {
      const place = rest[index] as number;
      return burdenOf(fleet.load(place), fleet.weight(place));
    });
    return { id: fleet.id(rest[at] as number), why };
  }
}
