/**
 * The Grafana dashboard asks for what /metrics has.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { freshMetrics } from "../../support/fresh-metrics.ts";

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
  const kinds = await freshMetrics();
  const series = new Set(kinds.map(([name, kind]) => (kind === "histogram" ? `${name}_bucket` : name)));
  const expressions = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.flatMap(({ definition }) => definition ?? []),
  ];
  const asked = new Set(expressions.flatMap(metricsOf));
  expect(asked.size).toBeGreaterThan(20);
  expect([...asked].filter((name) => !series.has(name))).toEqual([]);
  expect([...series].filter((name) => !asked.has(name))).toEqual([
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
