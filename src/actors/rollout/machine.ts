/**
 * A staged rollout: measures the nodes of the old version, moves a share of their clients to the new ones, watches
 * those, moves more, until all have moved; takes everybody back when a threshold is passed, when a move does not end
 * in time, or when it is asked to.
 *
 * Pure. Timers run on the actor system's clock. What is moved and measured is asked for by effects.
 * @module
 */
import { assign, setup } from "xstate";
import type { RolloutEffect } from "../effect.ts";
import { type Behaviour, judge, type RolloutLimits } from "./judge.ts";

export type RolloutSignal =
  /** How the old nodes did. */
  | { readonly type: "baseline.taken"; readonly behaviour: Behaviour }
  /** How the new nodes did since the stage began. */
  | { readonly type: "nodes.watched"; readonly behaviour: Behaviour }
  /** A node that takes part cannot be reached, or does not live any more. */
  | { readonly type: "nodes.lost"; readonly cause: string }
  | { readonly type: "clients.moved" }
  | { readonly type: "clients.returned" }
  | { readonly type: "stop.asked" };

export type RolloutInput = {
  /** Shares of the clients that have moved after each stage, ascending; the last is 1. */
  readonly stages: readonly number[];
  readonly limits: RolloutLimits;
  /** How long each stage is watched. */
  readonly watchMs: number;
  /** How long a move may take. */
  readonly moveMs: number;
};

type Context = RolloutInput & {
  readonly at: number;
  readonly baseline: Behaviour | undefined;
  /** Why it was rolled back, or failed. */
  readonly reason: string | undefined;
};

const rollout = setup({
  types: { context: {} as Context, input: {} as RolloutInput, events: {} as RolloutSignal },
  actions: {
    "perform effect": (_, _effect: RolloutEffect) => {},
    "note why": assign((_, { reason }: { readonly reason: string }) => ({ reason })),
    "go to next stage": assign({ at: ({ context }) => context.at + 1 }),
  },
  guards: {
    "threshold is passed": ({ context, event }) => worse(context, event) !== undefined,
    "there is another stage": ({ context }) => context.at + 1 < context.stages.length,
  },
  delays: {
    watch: ({ context }) => context.watchMs,
    moveDeadline: ({ context }) => context.moveMs,
  },
});

function worse({ baseline, limits }: Context, event: RolloutSignal): string | undefined {
  if (event.type !== "nodes.watched" || baseline === undefined) return undefined;
  return judge(baseline, event.behaviour, limits);
}

/** What a stage that has begun listens to. */
const moved = {
  "nodes.watched": {
    guard: "threshold is passed",
    target: "rollingBack",
    actions: {
      type: "note why",
      params: ({ context, event }: { context: Context; event: RolloutSignal }) => ({
        reason: worse(context, event) ?? "",
      }),
    },
  },
  "nodes.lost": {
    target: "rollingBack",
    actions: {
      type: "note why",
      params: ({ event }: { event: RolloutSignal }) => ({ reason: event.type === "nodes.lost" ? event.cause : "" }),
    },
  },
  "stop.asked": { target: "rollingBack", actions: { type: "note why", params: { reason: "it was asked to stop" } } },
} as const;

export const rolloutMachine = rollout.createMachine({
  id: "rollout",
  context: ({ input }) => ({ ...input, at: 0, baseline: undefined, reason: undefined }),
  initial: "measuring",
  states: {
    measuring: {
      entry: { type: "perform effect", params: { type: "take baseline" } },
      on: {
        "baseline.taken": { target: "moving", actions: assign({ baseline: ({ event }) => event.behaviour }) },
        "nodes.lost": {
          target: "failed",
          actions: { type: "note why", params: ({ event }) => ({ reason: event.cause }) },
        },
        "stop.asked": { target: "failed", actions: { type: "note why", params: { reason: "it was asked to stop" } } },
      },
    },
    moving: {
      entry: {
        type: "perform effect",
        params: ({ context }) => ({ type: "move clients", share: shareOfRest(context) }),
      },
      after: {
        moveDeadline: {
          target: "rollingBack",
          actions: { type: "note why", params: { reason: "the clients did not move in time" } },
        },
      },
      on: { ...moved, "clients.moved": "watching" },
    },
    watching: {
      after: {
        watch: [{ guard: "there is another stage", target: "moving", actions: "go to next stage" }, { target: "done" }],
      },
      on: moved,
    },
    rollingBack: {
      entry: { type: "perform effect", params: { type: "take clients back" } },
      after: { moveDeadline: { target: "failed" } },
      on: {
        "clients.returned": "rolledBack",
        "nodes.lost": "failed",
      },
    },
    done: { type: "final" },
    rolledBack: { type: "final" },
    failed: { type: "final" },
  },
});

/** Of the clients that are still on the old nodes. */
function shareOfRest({ stages, at }: Context): number {
  const before = at === 0 ? 0 : (stages[at - 1] as number);
  return ((stages[at] as number) - before) / (1 - before);
}
