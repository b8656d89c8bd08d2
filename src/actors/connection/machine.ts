/**
 * Life of one socket: handshaking → authenticating → open ⇄ congested → draining → closed, with a deadline for each.
 * Nothing durable, and nothing per record: frames do not pass through here.
 *
 * Pure. Timers run on the actor system's clock.
 * @module
 */
import { setup } from "xstate";
import type { CloseName } from "../../protocol/close-code.ts";
import type { Limits } from "../../protocol/limits.ts";
import type { ConnectionEffect } from "../effect.ts";

export type ConnectionSignal =
  | { readonly type: "hello.received" }
  | { readonly type: "session.attached" }
  | { readonly type: "socket.congested" }
  | { readonly type: "socket.drained" }
  | { readonly type: "socket.lost"; readonly cause: string }
  | { readonly type: "peer.silent" }
  /** Somebody wants it closed: a violation, a takeover, an expired token, a stopping gateway. */
  | { readonly type: "close.asked"; readonly reason: CloseName; readonly cause: string }
  | { readonly type: "beat" };

type Deadlines = Pick<Limits, "handshakeMs" | "pongMs" | "congestedMs" | "drainMs">;
export type ConnectionInput = { readonly id: string; readonly deadlines: Deadlines };

const goodbye = (reason: CloseName) =>
  ({
    type: "perform effect",
    params: { type: "say goodbye", reason, cause: reason } satisfies ConnectionEffect,
  }) as const;

const connection = setup({
  types: {
    context: {} as ConnectionInput,
    input: {} as ConnectionInput,
    events: {} as ConnectionSignal,
  },
  actions: { "perform effect": (_, _effect: ConnectionEffect) => {} },
  delays: {
    handshakeDeadline: ({ context }) => context.deadlines.handshakeMs,
    beatInterval: ({ context }) => context.deadlines.pongMs,
    congestedDeadline: ({ context }) => context.deadlines.congestedMs,
    drainDeadline: ({ context }) => context.deadlines.drainMs,
  },
});

const nextBeat = connection.raise({ type: "beat" }, { delay: "beatInterval" });
const checkLiveness = {
  type: "perform effect",
  params: { type: "check liveness" } satisfies ConnectionEffect,
} as const;

/** What an attached connection listens to, congested or not. (No state around both: nesting costs at every transition.) */
const alive = {
  beat: { actions: [checkLiveness, nextBeat] },
  "peer.silent": { target: "draining", actions: goodbye("heartbeatTimeout") },
} as const;

export const connectionMachine = connection.createMachine({
  id: "connection",
  context: ({ input }) => input,
  initial: "handshaking",
  on: {
    "socket.lost": {
      target: ".closed",
      actions: { type: "perform effect", params: ({ event }) => ({ type: "release session", cause: event.cause }) },
    },
    "close.asked": {
      target: ".draining",
      actions: {
        type: "perform effect",
        params: ({ event }) => ({ type: "say goodbye", reason: event.reason, cause: event.cause }),
      },
    },
  },
  states: {
    handshaking: {
      after: { handshakeDeadline: { target: "draining", actions: goodbye("handshakeTimeout") } },
      on: { "hello.received": "authenticating" },
    },
    authenticating: {
      // The client did its part: it is the gateway, its log or the issuer of keys that is late.
      after: { handshakeDeadline: { target: "draining", actions: goodbye("overloaded") } },
      on: { "session.attached": { target: "open", actions: nextBeat } },
    },
    open: { on: { ...alive, "socket.congested": "congested" } },
    congested: {
      after: { congestedDeadline: { target: "draining", actions: goodbye("slowConsumer") } },
      on: { ...alive, "socket.drained": "open" },
    },
    draining: {
      entry: { type: "perform effect", params: { type: "release session", cause: "closing" } },
      after: { drainDeadline: { actions: { type: "perform effect", params: { type: "terminate socket" } } } },
      on: { "close.asked": {}, "socket.lost": "closed" },
    },
    closed: { type: "final" },
  },
});
