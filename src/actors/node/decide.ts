/**
 * Decides what is recorded in a node's journal: its own facts, and what the other nodes see of it.
 *
 * Pure: time arrives inside the command as `at`. Owns: of several nodes that see the same, one records it; what is seen
 * of a process that is gone says nothing of the one that has its name now.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { NodeEvent, NodeProtocol, NodeStatus, RetentionInForce } from "./events.ts";
import type { NodeState } from "./state.ts";

type InForce = { readonly limits: Readonly<Record<string, number>>; readonly retention: RetentionInForce };

export type NodeCommand = { readonly at: EpochMs } & (
  | ({ readonly type: "Start"; readonly version: string } & InForce)
  | ({ readonly type: "Configure" } & InForce)
  | { readonly type: "Stop"; readonly reason: string }
  | {
      readonly type: "Join";
      readonly incarnation: string;
      readonly url: string;
      readonly version: string;
      readonly protocol: NodeProtocol;
    }
  /** `by` sees it so, itself or another node. */
  | {
      readonly type: "Observe";
      readonly incarnation: string;
      readonly status: NodeStatus;
      readonly by: string;
      readonly cause: string;
    }
  /** `by` knows that its process is gone: of those on its log only one runs at a time. */
  | { readonly type: "FindDead"; readonly by: string; readonly cause: string }
);

export type NodeDecision =
  | { readonly ok: true; readonly events: readonly NodeEvent[] }
  | { readonly ok: false; readonly rejection: "notJoined" | "otherIncarnation" | "hasLeft" };

const nothing: NodeDecision = { ok: true, events: [] };

export function decideNode(state: NodeState, command: NodeCommand): NodeDecision {
  switch (command.type) {
    case "Start":
      return { ok: true, events: [{ ...command, type: "Started" }] };
    case "Configure":
      return { ok: true, events: [{ ...command, type: "Configured" }] };
    case "Stop":
      return { ok: true, events: [{ ...command, type: "Stopped" }] };
    case "Join":
      return { ok: true, events: [{ ...command, type: "Joined" }] };
    case "Observe":
      return observe(state, command);
    case "FindDead":
      return findDead(state, command);
    default:
      return unreachable(command);
  }
}

function observe({ member }: NodeState, command: Extract<NodeCommand, { type: "Observe" }>): NodeDecision {
  const { at, incarnation, status, by, cause } = command;
  if (member === undefined) return { ok: false, rejection: "notJoined" };
  if (member.incarnation !== incarnation) return { ok: false, rejection: "otherIncarnation" };
  if (member.status === status) return nothing;
  if (member.status === "left") return { ok: false, rejection: "hasLeft" };
  if (status === "left") return { ok: true, events: [{ type: "Left", at, incarnation, by, cause }] };
  return { ok: true, events: [{ type: "StatusChanged", at, incarnation, status, by, cause }] };
}

/** What said that it stopped or left, died of nothing. */
function findDead({ status, member }: NodeState, command: Extract<NodeCommand, { type: "FindDead" }>): NodeDecision {
  const { at, by, cause } = command;
  if (status !== "running" || member?.status === "left") return nothing;
  return { ok: true, events: [{ type: "Left", at, incarnation: member?.incarnation ?? "", by, cause }] };
}
