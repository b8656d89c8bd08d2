/**
 * What a node is, as its journal tells it, and the fold that says so.
 *
 * Pure and total.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { NodeEvent, NodeProtocol, NodeStatus, RetentionInForce } from "./events.ts";

/** What it is to its cluster; until it has joined: nothing. */
export type MemberState = {
  readonly incarnation: string;
  readonly url: string;
  readonly protocol: NodeProtocol;
  readonly status: NodeStatus;
  readonly since: EpochMs;
  /** Who saw it. */
  readonly by: string;
  readonly cause: string;
};

export type NodeState = {
  /** running: it started and has not said that it stopped, which one that died never says. */
  readonly status: "none" | "running" | "stopped";
  readonly version: string;
  readonly startedAt: EpochMs;
  readonly stoppedAt: EpochMs;
  readonly stoppedBecause: string | undefined;
  readonly starts: number;
  /** Starts that no stop came before: the process before them died. */
  readonly deaths: number;
  readonly limits: Readonly<Record<string, number>>;
  readonly retention: RetentionInForce;
  readonly member: MemberState | undefined;
};

export const initialNodeState: NodeState = {
  status: "none",
  version: "",
  startedAt: 0,
  stoppedAt: 0,
  stoppedBecause: undefined,
  starts: 0,
  deaths: 0,
  limits: {},
  retention: { ageMs: 0, bytes: 0, records: 0 },
  member: undefined,
};

export function evolveNode(state: NodeState, event: NodeEvent): NodeState {
  switch (event.type) {
    case "Started": {
      const { at: startedAt, version, limits, retention } = event;
      const deaths = state.status === "running" ? state.deaths + 1 : state.deaths;
      return {
        ...state,
        ...{ status: "running", startedAt, version, limits, retention, deaths },
        member: undefined,
        starts: state.starts + 1,
      };
    }
    case "Configured":
      return { ...state, limits: event.limits, retention: event.retention };
    case "Joined": {
      const { at: since, incarnation, url, protocol } = event;
      return { ...state, member: { incarnation, url, protocol, status: "joining", since, by: "", cause: "started" } };
    }
    case "StatusChanged":
    case "Left": {
      const { at: since, by, cause, incarnation } = event;
      const status = event.type === "Left" ? "left" : event.status;
      const known = state.member ?? { incarnation, url: "", protocol: { min: 0, max: 0 } };
      return { ...state, member: { ...known, status, since, by, cause } };
    }
    case "Stopped":
      return { ...state, status: "stopped", stoppedAt: event.at, stoppedBecause: event.reason };
    case "ConnectionsEnded":
      return state;
    default:
      return unreachable(event);
  }
}
