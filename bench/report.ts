/**
 * Turns outcomes into tables: one a scenario, a row a target.
 * @module
 */
import type { Outcome, Subject } from "./measure.ts";
import type { Scenario } from "./scenarios.ts";
import { targets } from "./targets/target.ts";
import { runtimeSuffixes } from "./targets/weir.ts";

export type Row = Subject & { readonly outcome: Outcome };

export function markdownTable(scenario: Scenario, rows: readonly Row[]): string {
  const headings = ["", ...scenario.columns.map(([, heading]) => heading)];
  headings.push(...(scenario.ratio?.to ?? []).map((name) => `× ${targets[name].title}`));
  const lines = rows.map((row) => cells(scenario, row, rows));
  return [headings, headings.map((_, i) => (i === 0 ? "---" : "---:")), ...lines]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}

function cells(scenario: Scenario, { target, runtime, outcome }: Row, rows: readonly Row[]): string[] {
  const title = `${targets[target].title}${runtimeSuffixes[runtime]}`;
  if (!outcome.ok) {
    const reason = outcome.reason.split("\n").slice(0, 2).join(" ");
    return [`${title}: ${reason}`, ...scenario.columns.map(() => "–"), ...ratios(scenario, outcome, rows)];
  }
  const values = scenario.columns.map(([measure]) => show(outcome.measures[measure]));
  return [`${title} (${outcome.promise})`, ...values, ...ratios(scenario, outcome, rows)];
}

/** Above 1: cheaper than that target in the same run. */
function ratios(scenario: Scenario, outcome: Outcome, rows: readonly Row[]): string[] {
  return (scenario.ratio?.to ?? []).map((name) => {
    const cost = scenario.ratio?.cost ?? "";
    const baseline = rows.find((row) => row.target === name)?.outcome;
    if (!outcome.ok || baseline?.ok !== true) return "–";
    return ((baseline.measures[cost] as number) / (outcome.measures[cost] as number)).toFixed(2);
  });
}

function show(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 }).replaceAll(",", " ");
}
