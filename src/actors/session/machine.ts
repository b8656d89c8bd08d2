/**
 * Keeps a session's time: attached, detached inside its resume window, expired. Facts are in the journal; this
 * chart only asks, by effects, for commands whose moment has come.
 *
 * Pure. Timers run on the actor system's clock.
 * @module
 */
import { assign, setup } from "xstate";
import type { SessionEffect } from "../effect.ts";

export type SessionSignal =
  | { readonly type: "connection.attached" }
  | { readonly type: "connection.lost" }
  | { readonly type: "session.closed" };

export type SessionInput = {
  readonly id: string;
  readonly resumeWindowMs: number;
  /** Part of the window that has passed already, for a session restored after a restart. */
  readonly detachedForMs: number;
};

export const sessionMachine = setup({
  types: {
    context: {} as { readonly id: string; readonly resumeWindowMs: number; readonly leftMs: number },
    input: {} as SessionInput,
    events: {} as SessionSignal,
  },
  actions: {
    "perform effect": (_, _effect: SessionEffect) => {},
    "restart window": assign({ leftMs: ({ context }) => context.resumeWindowMs }),
  },
  delays: { resumeWindow: ({ context }) => context.leftMs },
}).createMachine({
  id: "session",
  context: ({ input }) => ({
    id: input.id,
    resumeWindowMs: input.resumeWindowMs,
    leftMs: Math.max(0, input.resumeWindowMs - input.detachedForMs),
  }),
  initial: "detached",
  states: {
    attached: { on: { "connection.lost": "detached" } },
    detached: {
      after: { resumeWindow: "expired" },
      on: { "connection.attached": { target: "attached", actions: "restart window" } },
    },
    expired: { entry: { type: "perform effect", params: { type: "expire session" } }, type: "final" },
    closed: { type: "final" },
  },
  on: { "session.closed": ".closed" },
});
