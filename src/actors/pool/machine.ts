/**
 * Keeps the time of one pool on one node: who waits to coordinate it, claims it, hears what its members still have, works,
 * drains. Facts are in the journal; this chart only asks, by effects, for what is due.
 *
 * Pure. Timers run on the actor system's clock.
 * @module
 */
import { assign, setup } from "xstate";

export type PoolSignal =
  /** Nobody coordinates it, as far as this node knows; of several nodes that see it the one with the least delay claims it. */
  | { readonly type: "coordinator.missing"; readonly delayMs: number }
  | { readonly type: "coordinator.found" }
  /** The journal says that this node coordinates it. `alone`: nobody before it may be giving out work still. */
  | { readonly type: "claim.held"; readonly alone: boolean; readonly draining: boolean }
  | { readonly type: "claim.refused" }
  /** Another node has claimed it, or the journal cannot be written. */
  | { readonly type: "coordinator.lost" }
  | { readonly type: "drain.began" }
  | { readonly type: "drain.ended" }
  /** Nothing is given out any more. */
  | { readonly type: "work.finished" }
  | { readonly type: "pool.deleted" };

export type PoolEffect =
  | { readonly type: "claim pool" }
  /** The members have told what they have: give out the rest. */
  | { readonly type: "begin work" }
  /** Another node goes on. */
  | { readonly type: "let pool go" };

export type PoolInput = {
  readonly name: string;
  /** Members tell within this what they have; an earlier coordinator that was cut off has noticed it by then. */
  readonly gatherMs: number;
};

export const poolMachine = setup({
  types: {
    context: {} as PoolInput & { readonly delayMs: number },
    input: {} as PoolInput,
    events: {} as PoolSignal,
  },
  actions: {
    "perform effect": (_, _effect: PoolEffect) => {},
    "take delay": assign({
      delayMs: ({ context, event }) => (event.type === "coordinator.missing" ? event.delayMs : context.delayMs),
    }),
  },
  guards: {
    "is alone": ({ event }) => event.type === "claim.held" && event.alone,
  },
  delays: {
    electionDelay: ({ context }) => context.delayMs,
    gatherTime: ({ context }) => context.gatherMs,
  },
}).createMachine({
  id: "pool",
  context: ({ input }) => ({ ...input, delayMs: 0 }),
  initial: "following",
  states: {
    following: { on: { "coordinator.missing": { target: "electing", actions: "take delay" } } },
    electing: {
      after: { electionDelay: "claiming" },
      on: { "coordinator.found": "following" },
    },
    claiming: {
      entry: { type: "perform effect", params: { type: "claim pool" } },
      on: {
        "claim.held": [{ guard: "is alone", target: "working" }, { target: "gathering" }],
        "claim.refused": "following",
      },
    },
    gathering: { after: { gatherTime: "working" }, on: { "coordinator.lost": "lost" } },
    working: {
      entry: { type: "perform effect", params: { type: "begin work" } },
      on: { "coordinator.lost": "lost", "drain.began": "draining" },
    },
    draining: {
      on: { "coordinator.lost": "lost", "drain.ended": "working", "work.finished": "drained" },
    },
    drained: { on: { "coordinator.lost": "lost", "drain.ended": "working" } },
    lost: { entry: { type: "perform effect", params: { type: "let pool go" } }, always: "following" },
    deleted: { type: "final" },
  },
  on: { "pool.deleted": ".deleted" },
});
