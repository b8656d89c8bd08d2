/**
 * What /metrics says of a gateway that has done nothing: every metric is in it.
 * @module
 */
import { exposition } from "../../src/runtime/exposition.ts";
import { Counters, LatencyHistogram } from "../../src/runtime/metrics.ts";
import { stillProcess } from "./still-process.ts";

const info = {
  epoch: "e",
  tier: "none",
  firstSeq: 1,
  lastSeq: 0,
  records: 0,
  bytes: 0,
  transactions: true,
  shared: false,
} as const;

/** Names of the metrics and their kinds, as Prometheus reads them. */
export async function freshMetrics(): Promise<readonly (readonly [name: string, kind: string])[]> {
  const text = await exposition({
    counters: new Counters(),
    process: stillProcess({ gcPauses: new LatencyHistogram() }),
    version: "0",
    log: () => info,
    sessions: () => 0,
    members: () => [],
    pools: () => [],
    presence: () => ({ members: 0, topics: 0, tracked: 0, watches: 0, repairs: 0 }),
  }).text();
  return [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(([, name = "", kind = ""]) => [name, kind] as const);
}
