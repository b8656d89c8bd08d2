/**
 * Turns outcomes into tables: one a scenario, a row a target.
 * @module
 */
import type { Outcome } from "./measure.ts";
import type { Scenario } from "./scenarios.ts";
import { type TargetName, targets } from "./targets/target.ts";

export type Row = { readonly target: TargetName; readonly outcome: Outcome };

export function markdownTable(scenario: Scenario, rows: readonly Row[]): string {
  const headings = ["", ...scenario.columns.map(([, heading]) => heading)];
  if (scenario.ratio !== undefined) headings.push("× raw Bun.serve");
  const lines = rows.map((row) => cells(scenario, row, rows));
  return [headings, headings.map((_, i) => (i === 0 ? "---" : "---:")), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function cells(scenario: Scenario, { target, outcome }: Row, rows: readonly Row[]): string[] {
  const title = targets[target].title;
  if (!outcome.ok) {
    const reason = outcome.reason.split("\n").slice(0, 2).join(" ");
    return [`${title}: ${reason}`, ...scenario.columns.map(() => "–"), ...ratio(scenario, outcome, rows)];
  }
  const values = scenario.columns.map(([measure]) => show(outcome.measures[measure]));
  return [`${title} (${outcome.promise})`, ...values, ...ratio(scenario, outcome, rows)];
}

/** How many times as good as raw `Bun.serve` of the same run; above 1 is better, whichever way the measure counts. */
function ratio(scenario: Scenario, outcome: Outcome, rows: readonly Row[]): string[] {
  if (scenario.ratio === undefined) return [];
  const { measure, better } = scenario.ratio;
  const baseline = rows.find((row) => row.target === "bun")?.outcome;
  if (!outcome.ok || baseline?.ok !== true) return ["–"];
  const [own, raw] = [outcome.measures[measure] as number, baseline.measures[measure] as number];
  return [(better === "lower" ? raw / own : own / raw).toFixed(2)];
}

function show(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 }).replaceAll(",", " ");
}
