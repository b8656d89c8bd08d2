/**
 * Nodes as somebody who looks back sees them.
 *
 * Pure.
 * @module
 */
import type { NodeEvent } from "../../actors/node/events.ts";
import { decodeNodeEvent } from "../../actors/node/persist.ts";
import { evolveNode, initialNodeState, type NodeState } from "../../actors/node/state.ts";
import { nodeKind } from "../../runtime/node-journal.ts";
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
  stateName: (state) => state.status,
  view,
  summary,
  show: (event) => event as unknown as JsonObject,
};

function view(state: NodeState): JsonObject {
  const { status, version, startedAt, stoppedAt, stoppedBecause, starts, deaths, limits, retention } = state;
  return {
    ...{ status, version, startedAt, starts, deaths, limits: { ...limits }, retention: { ...retention } },
    stoppedAt: stoppedAt === 0 ? null : stoppedAt,
    stoppedBecause: stoppedBecause ?? null,
  };
}

function summary(event: NodeEvent): string {
  switch (event.type) {
    case "Started":
      return `Started, version ${event.version}${settingsText(event)}`;
    case "Configured":
      return `Configured${settingsText(event)}`;
    case "Stopped":
      return `Stopped: ${event.reason}`;
    case "ConnectionsEnded":
      return `${event.connections.length + event.omitted} connections ended`;
  }
}

function settingsText({ limits, retention }: Extract<NodeEvent, { type: "Configured" | "Started" }>): string {
  const kept = Object.entries(retention).filter(([, bound]) => bound > 0);
  const set = [
    ...Object.entries(limits).map(([name, value]) => `limits.${name} ${value}`),
    ...kept.map(([name, bound]) => `log.retention.${name} ${bound}`),
  ];
  return set.length === 0 ? "" : `, with ${set.join(", ")}`;
}
