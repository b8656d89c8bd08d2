/**
 * A member of the cluster as one node sees it: joining → healthy ⇄ suspect → unhealthy, draining, left. A node runs
 * one for itself, and one for each other node that it has heard of.
 *
 * Its deadlines come as signals, not from a timer: who hears nothing of anybody is deaf itself, and must not take the
 * others for silent (src/runtime/cluster/hearing.ts).
 *
 * Pure.
 * @module
 */
import { setup } from "xstate";
import type { NodeEffect } from "../effect.ts";
import type { NodeStatus } from "./events.ts";

/** Silence after which a member is suspect, and then unhealthy. Beats come every `beatMs`. */
export type SilenceBounds = { readonly suspectMs: number; readonly unhealthyMs: number };
export type NodeInput = { readonly node: string; readonly bounds: SilenceBounds };

/** What a node can say of itself. */
export type SaidStatus = Exclude<NodeStatus, "suspect">;

export type NodeSignal =
  /** In a beat, or by its lease. */
  | { readonly type: "node.says"; readonly status: SaidStatus; readonly cause: string }
  /** Nothing was heard of it for so long. */
  | { readonly type: "node.silent"; readonly ms: number }
  /** For so long that it is no member any more. */
  | { readonly type: "node.forgotten" };

const node = setup({
  types: { context: {} as NodeInput, input: {} as NodeInput, events: {} as NodeSignal },
  actions: { "perform effect": (_, _effect: NodeEffect) => {} },
  guards: {
    says: ({ event }, { status }: { readonly status: SaidStatus }) =>
      event.type === "node.says" && event.status === status,
    "is silent": ({ event, context }, { bound }: { readonly bound: keyof SilenceBounds }) =>
      event.type === "node.silent" && event.ms >= context.bounds[bound],
  },
});

const causes = { suspect: "silent", unhealthy: "silent for long", left: "forgotten" } as const;

const changedAsSaid = (status: SaidStatus) => ({
  type: "perform effect" as const,
  params: ({ event }: { readonly event: NodeSignal }): NodeEffect => ({
    type: "tell status",
    status,
    cause: event.type === "node.says" ? event.cause : "",
  }),
});
const changed = (status: keyof typeof causes) =>
  ({
    type: "perform effect",
    params: { type: "tell status", status, cause: causes[status] } satisfies NodeEffect,
  }) as const;

const said = <Status extends SaidStatus>(status: Status) =>
  ({
    guard: { type: "says", params: { status } },
    target: status,
    actions: changedAsSaid(status),
  }) as const;

const toJoining = said("joining");
const toHealthy = said("healthy");
const toUnhealthy = said("unhealthy");
const toDraining = said("draining");
const toLeft = said("left");

const silence = {
  guard: { type: "is silent", params: { bound: "suspectMs" } },
  target: "suspect",
  actions: changed("suspect"),
} as const;
const longSilence = {
  guard: { type: "is silent", params: { bound: "unhealthyMs" } },
  target: "unhealthy",
  actions: changed("unhealthy"),
} as const;
const forgotten = { target: "left", actions: changed("left") } as const;

export const nodeMachine = node.createMachine({
  id: "node",
  context: ({ input }) => input,
  initial: "joining",
  states: {
    joining: { on: { "node.says": [toHealthy, toUnhealthy, toDraining, toLeft], "node.silent": silence } },
    healthy: { on: { "node.says": [toJoining, toUnhealthy, toDraining, toLeft], "node.silent": silence } },
    draining: { on: { "node.says": [toJoining, toHealthy, toUnhealthy, toLeft], "node.silent": silence } },
    suspect: {
      on: { "node.says": [toJoining, toHealthy, toUnhealthy, toDraining, toLeft], "node.silent": longSilence },
    },
    unhealthy: {
      on: { "node.says": [toJoining, toHealthy, toDraining, toLeft], "node.forgotten": forgotten },
    },
    left: { type: "final" },
  },
});
