/**
 * Why a balancer chose whom it chose: as data, for programs, and as a line for people.
 *
 * Pure.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";

/** Work in hand against weight. */
export type Burden = { readonly load: number; readonly weight: number };

export type Why =
  | { readonly rule: "only" }
  | { readonly rule: "sticky" }
  /** It has had this session: another one would have to take it over. */
  | { readonly rule: "owner"; readonly session: string }
  /** Whom the rule would have chosen was excluded by whoever asks, who has tried it. */
  | { readonly rule: "failover"; readonly instead: string }
  | { readonly rule: "roundRobin"; readonly turn: number; readonly of: number }
  | { readonly rule: "weightedRoundRobin"; readonly weight: number; readonly total: number }
  | { readonly rule: "random"; readonly weight: number; readonly total: number }
  | ({ readonly rule: "powerOfTwo"; readonly other: Burden & { readonly id: string } } & Burden & Lacking)
  | ({ readonly rule: "leastConnections"; readonly of: number } & Burden)
  | ({ readonly rule: "leastResponseTime"; readonly responseMs: number; readonly of: number } & Burden)
  | { readonly rule: "consistentHash"; readonly steps: number; readonly load: number; readonly capacity: number }
  | { readonly rule: "hash"; readonly of: number }
  | { readonly rule: "geographic"; readonly km: number; readonly near: number; readonly load: number }
  | { readonly rule: "resourceAware"; readonly cpu: number; readonly memory: number; readonly weight: number };

/** The rule asked for cannot be followed, power of two choices stands in: nothing was told to go by. */
type Lacking = { readonly lacking?: "key" | "location" };

export type Decision = { readonly id: string; readonly why: Why };

/** `powerOfTwo: a 12 < b 40`. */
export function whyText({ id, why }: Decision): string {
  return `${why.rule}: ${reason(id, why)}`;
}

function reason(id: string, why: Why): string {
  switch (why.rule) {
    case "only":
      return `${id} is the only one there`;
    case "sticky":
      return `${id} has had this key`;
    case "owner":
      return `${id} has session ${why.session}`;
    case "failover":
      return `${id} instead of ${why.instead}, which was tried`;
    case "roundRobin":
      return `${id} is ${why.turn} of ${why.of} in turn`;
    case "weightedRoundRobin":
      return `${id} is next, ${shown(why.weight)} of ${shown(why.total)} turns`;
    case "random":
      return `${id} by chance ${shown(why.weight)} in ${shown(why.total)}`;
    case "powerOfTwo":
      return `${burden(id, why)} ${compared(why)} ${burden(why.other.id, why.other)}${lacking(why)}`;
    case "leastConnections":
      return `${burden(id, why)} is least of ${why.of}`;
    case "leastResponseTime":
      return `${burden(id, why)} at ${shown(why.responseMs)} ms is least of ${why.of}`;
    case "consistentHash":
      return `${id} holds ${shown(why.load)} of at most ${shown(why.capacity)}, ${why.steps} passed over`;
    case "hash":
      return `${id} has the highest hash with this key of ${why.of}`;
    case "geographic":
      return `${id} is ${Math.round(why.km)} km away with ${shown(why.load)}, ${why.near} as near`;
    case "resourceAware":
      return `${id} by what it has free: cpu ${percent(why.cpu)} memory ${percent(why.memory)} used, weight ${shown(why.weight)}`;
    default:
      return unreachable(why);
  }
}

function burden(id: string, { load, weight }: Burden): string {
  return weight === 1 ? `${id} ${shown(load)}` : `${id} ${shown(load)}/${shown(weight)}`;
}

function compared({ load, weight, other }: Extract<Why, { rule: "powerOfTwo" }>): string {
  return burdenOf(load, weight) < burdenOf(other.load, other.weight) ? "<" : "=";
}

function lacking({ lacking: what }: Lacking): string {
  return what === undefined ? "" : `, no ${what} was told`;
}

/** What one more would weigh: with nothing in hand the one of more weight comes first. */
export function burdenOf(load: number, weight: number): number {
  return (load + 1) / weight;
}

function shown(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
