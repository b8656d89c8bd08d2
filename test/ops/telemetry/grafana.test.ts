/**
 * The Grafana dashboard asks for what /metrics has.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exposition } from "../../../src/runtime/exposition.ts";
import { Counters, LatencyHistogram } from "../../../src/runtime/metrics.ts";
import { stillProcess } from "../../support/still-process.ts";

type Panel = { readonly title: string; readonly id: number; readonly targets?: readonly { readonly expr: string }[] };
type Dashboard = {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
};

const dashboard = JSON.parse(
  readFileSync(join(import.meta.dir, "../../../docs/grafana/weir.json"), "utf8"),
) as Dashboard;

/** Names that stand where PromQL has a metric: before a selector, a range or a closing bracket. */
function metricsOf(expression: string): readonly string[] {
  return [...expression.matchAll(/\b([a-z][a-z0-9_]*)(?=[{,)])/g)]
    .map(([, name]) => name as string)
    .filter(
      (name) =>
        name.includes("_") && !name.startsWith("__") && name !== "histogram_quantile" && name !== "label_values",
    );
}

test("docs/grafana/weir.json asks for no metric that /metrics lacks, and shows all but three", async () => {
  const info = {
    epoch: "e",
    tier: "none",
    firstSeq: 1,
    lastSeq: 0,
    records: 0,
    bytes: 0,
    transactions: true,
    shared: false,
  };
  const shown = await exposition({
    counters: new Counters(),
    process: stillProcess({ gcPauses: new LatencyHistogram() }),
    version: "0",
    log: () => info as never,
    sessions: () => 0,
  }).text();
  const kinds = [...shown.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(([, name, kind]) => [name, kind] as const);
  const series = new Set(kinds.map(([name, kind]) => (kind === "histogram" ? `${name}_bucket` : name)));
  const expressions = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.flatMap(({ definition }) => definition ?? []),
  ];
  const asked = new Set(expressions.flatMap(metricsOf));
  expect(asked.size).toBeGreaterThan(20);
  expect([...asked].filter((name) => !series.has(name))).toEqual([]);
  expect([...series].filter((name) => !asked.has(name as string))).toEqual([
    "weir_fanout_records_total",
    "weir_fanout_bytes_total",
    "weir_fanout_bytes_sent_total",
  ]);
});

test("docs/grafana/weir.json has each panel once, with a place of its own", () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { title, targets } of dashboard.panels) expect([title, targets?.length]).not.toEqual([title, 0]);
});
