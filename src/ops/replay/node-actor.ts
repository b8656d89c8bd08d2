/**
 * Nodes as somebody who looks back sees them.
 *
 * Pure.
 * @module
 */
import type { NodeEvent } from "../../actors/node/events.ts";
import { decodeNodeEvent } from "../../actors/node/persist.ts";
import { evolveNode, initialNodeState, type NodeState } from "../../actors/node/state.ts";
import { nodeKind } from "../../runtime/cluster/node-facts.ts";
import type { JsonObject } from "./actor.ts";
import type { Fold } from "./journal-actor.ts";

export const nodeFold: Fold<NodeState, NodeEvent> = {
  kind: nodeKind,
  statechart: "node",
  id: /^[!-~]{1,128}$/,
  initial: initialNodeState,
  decode: decodeNodeEvent,
  evolve: evolveNode,
  restore: () => undefined, // Nobody saves snapshots of it: it is short.
  typeOf: (event) => event.type,
  stateName: (state) => state.member?.status ?? state.status,
  view,
  summary,
  show: (event) => event as unknown as JsonObject,
};

function view(state: NodeState): JsonObject {
  const { status, version, startedAt, stoppedAt, stoppedBecause, starts, deaths, limits, retention, member } = state;
  return {
    ...{ status, version, startedAt, starts, deaths, limits: { ...limits }, retention: { ...retention } },
    stoppedAt: stoppedAt === 0 ? null : stoppedAt,
    stoppedBecause: stoppedBecause ?? null,
    member: member === undefined ? null : { ...member, protocol: { ...member.protocol } },
  };
}

function summary(event: NodeEvent): string {
  switch (event.type) {
    case "Started":
      return `Started, version ${event.version}${settingsText(event)}`;
    case "Configured":
      return `Configured${settingsText(event)}`;
    case "Joined":
      return `Joined at ${event.url}, version ${event.version}`;
    case "StatusChanged":
      return `${capital(event.status)}, seen by ${event.by}: ${event.cause}`;
    case "Left":
      return `Left, seen by ${event.by}: ${event.cause}`;
    case "Stopped":
      return `Stopped: ${event.reason}`;
    case "ConnectionsEnded":
      return `${event.connections.length + event.omitted} connections ended`;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function settingsText({ limits, retention }: Extract<NodeEvent, { type: "Configured" | "Started" }>): string {
  const kept = Object.entries(retention).filter(([, bound]) => bound > 0);
  const set = [
    ...Object.entries(limits).map(([name, value]) => `limits.${name} ${value}`),
    ...kept.map(([name, bound]) => `log.retention.${name} ${bound}`),
  ];
  return set.length === 0 ? "" : `, with ${set.join(", ")}`;
}
