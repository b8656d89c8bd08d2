/**
 * Pools as somebody who looks back sees them.
 *
 * Pure.
 * @module
 */
import type { PoolEvent } from "../../actors/pool/events.ts";
import { decodePoolEvent } from "../../actors/pool/persist.ts";
import { evolvePool, initialPoolState, type PoolState } from "../../actors/pool/state.ts";
import { decodePoolSnapshot, poolKind } from "../../runtime/pool/pool-store.ts";
import type { JsonObject } from "./actor.ts";
import type { Fold } from "./journal-actor.ts";

export const poolFold: Fold<PoolState, PoolEvent> = {
  kind: poolKind,
  statechart: "pool",
  id: /^[A-Za-z0-9_-]{1,64}$/,
  initial: initialPoolState,
  decode: decodePoolEvent,
  evolve: evolvePool,
  restore: decodePoolSnapshot,
  typeOf: (event) => event.type,
  stateName: (state) => state.status,
  view,
  summary,
  show: (event) => event as unknown as JsonObject,
};

function view(state: PoolState): JsonObject {
  const { settings, members, open, node, ...rest } = state;
  return {
    ...rest,
    coordinator: node ?? null,
    settings: settings as unknown as JsonObject,
    members: [...members.values()] as unknown as JsonObject[],
    open: Array.from(open, ([item, { member, ...one }]) => ({ item, member: member ?? null, ...one })),
  };
}

function summary(event: PoolEvent): string {
  switch (event.type) {
    case "Created":
      return `Created by ${event.by} for ${event.settings.filters.join(", ")}, ${event.settings.strategy}, after ${event.after}`;
    case "Configured":
      return `Configured by ${event.by}: ${event.settings.filters.join(", ")}, ${event.settings.strategy}`;
    case "Claimed":
      return `Node ${event.node} gives out the work, coordinator number ${event.term}`;
    case "Released":
      return `Coordinator number ${event.term} let go: ${event.cause}`;
    case "MemberJoined":
      return `${event.member.id} joined on ${event.member.node}, takes ${event.member.capacity} at once`;
    case "MemberLeft":
      return `${event.member} left (${event.cause})${event.returned === 0 ? "" : `, ${event.returned} records go to others`}`;
    case "WeightChanged":
      return `${event.by} gave ${event.member} the weight ${event.weight}`;
    case "MemberDrained":
      return `${event.member} gets nothing new, asked by ${event.by}`;
    case "Progressed":
      return `Settled up to ${event.upTo} but ${event.open.length} open, ${event.done} done since`;
    case "Failed":
      return `Record ${event.item} failed with ${event.member}, try ${event.attempt}: ${event.reason}`;
    case "DeadLettered":
      return `Record ${event.item} was given up after ${event.attempts} tries: ${event.cause}`;
    case "Trimmed":
      return `Retention removed what came before ${event.first}`;
    case "Repositioned":
      return `The log is another one, or lost its end: goes on after ${event.after}`;
    case "Scaled":
      return `Wants ${event.to} members instead of ${event.from}: ${event.why}`;
    case "DrainBegan":
      return `Gives out nothing new, asked by ${event.by}`;
    case "DrainEnded":
      return `Gives out work again, asked by ${event.by}`;
    case "Deleted":
      return `Deleted by ${event.by}`;
  }
}
