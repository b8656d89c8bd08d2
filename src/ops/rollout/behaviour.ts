/**
 * What nodes did between two looks at their totals, as a rollout judges it.
 *
 * Pure.
 * @module
 */
import type { Behaviour } from "../../actors/rollout/judge.ts";
import type { NodeTotals } from "./nodes.ts";

const percentile = 0.99;

/** Of the same nodes, in the same order. */
export function behaviourBetween(before: readonly NodeTotals[], after: readonly NodeTotals[]): Behaviour {
  const grown = (pick: (totals: NodeTotals) => number): number =>
    after.reduce((sum, totals, i) => sum + Math.max(0, pick(totals) - pick(before[i] as NodeTotals)), 0);
  const latencyP99Ms = p99(before, after);
  return {
    handshakes: grown(({ connectionsOpened }) => connectionsOpened),
    handshakesFailed: grown(({ handshakesFailed }) => handshakesFailed),
    framesIn: grown(({ framesIn }) => framesIn),
    errors: grown(({ errors, connectionsFailed }) => errors + connectionsFailed),
    ...(latencyP99Ms === undefined ? {} : { latencyP99Ms }),
  };
}

/** Upper bound of its bucket; what is above the last bound counts as twice that. */
function p99(before: readonly NodeTotals[], after: readonly NodeTotals[]): number | undefined {
  const boundsMs = after[0]?.messages.boundsMs ?? [];
  const sum = (of: readonly NodeTotals[], pick: (messages: NodeTotals["messages"]) => number): number =>
    of.reduce((total, { messages }) => total + pick(messages), 0);
  const grown = (pick: (messages: NodeTotals["messages"]) => number): number => sum(after, pick) - sum(before, pick);
  const count = grown((messages) => messages.count);
  if (count <= 0) return undefined;
  let seen = 0;
  for (const [i, boundMs] of boundsMs.entries()) {
    seen += grown(({ buckets }) => buckets[i] ?? 0);
    if (seen >= count * percentile) return boundMs;
  }
  return 2 * (boundsMs[boundsMs.length - 1] ?? 0);
}
