/**
 * What a node is, as its journal tells it, and the fold that says so.
 *
 * Pure and total.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { NodeEvent, RetentionInForce } from "./events.ts";

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
};

export function evolveNode(state: NodeState, event: NodeEvent): NodeState {
  switch (event.type) {
    case "Started": {
      const { at: startedAt, version, limits, retention } = event;
      const deaths = state.status === "running" ? state.deaths + 1 : state.deaths;
      return {
        ...state,
        ...{ status: "running", startedAt, version, limits, retention, deaths },
        starts: state.starts + 1,
      };
    }
    case "Configured":
      return { ...state, limits: event.limits, retention: event.retention };
    case "Stopped":
      return { ...state, status: "stopped", stoppedAt: event.at, stoppedBecause: event.reason };
    case "ConnectionsEnded":
      return state;
    default:
      return unreachable(event);
  }
}
