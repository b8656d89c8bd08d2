/**
 * Metrics of pools, by the node that coordinates each: summed over nodes they are those of the cluster.
 * @module
 */
import { Counter, Gauge, type Registry } from "prom-client";
import type { PoolView } from "./pool-view.ts";

type Reading = readonly [name: string, help: string, read: (view: PoolView) => number];

const gauges: readonly Reading[] = [
  ["weir_pool_members", "Members", ({ members }) => members.length],
  ["weir_pool_capacity", "Records that they take at once, together", ({ capacity }) => capacity],
  ["weir_pool_in_flight", "Records given out and not answered", ({ inFlight }) => inFlight],
  ["weir_pool_waiting", "Records read that wait for a member", ({ waiting }) => waiting],
  ["weir_pool_behind", "Records of the log, of any topic, that were not looked at yet", ({ behind }) => behind],
  [
    "weir_pool_oldest_wait_seconds",
    "How long the record waits that waits longest",
    (view) => view.oldestWaitMs / 1_000,
  ],
  ["weir_pool_wanted_members", "Members that scaling wants; 0 where a pool does not scale", ({ wanted = 0 }) => wanted],
];
const totals: readonly Reading[] = [
  ["weir_pool_dispatches_total", "Records given out", ({ dispatches }) => dispatches],
  ["weir_pool_redispatches_total", "Of these, as a later attempt", ({ redispatches }) => redispatches],
  ["weir_pool_done_total", "Records done", ({ done }) => done],
  ["weir_pool_dead_letters_total", "Records given up", ({ deadLettered }) => deadLettered],
];

/** No pool has a label of its own choosing but its name, and there are at most `poolsMax`. */
export function registerPools(registry: Registry, coordinated: () => readonly PoolView[]): void {
  const common = { labelNames: ["pool"], registers: [registry] };
  for (const [name, help, read] of gauges) {
    const collect = (): void => {
      gauge.reset();
      for (const view of coordinated()) gauge.set({ pool: view.name }, read(view));
    };
    const gauge: Gauge = new Gauge({ name, help, ...common, collect });
  }
  for (const [name, help, read] of totals) {
    const collect = (): void => {
      counter.reset();
      for (const view of coordinated()) counter.inc({ pool: view.name }, read(view));
    };
    const counter: Counter = new Counter({ name, help, ...common, collect });
  }
}
