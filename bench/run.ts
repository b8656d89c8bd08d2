/**
 * Runs one scenario against its targets, or those named: `bun bench/run.ts <scenario> [--target name]…
 * [--runtime bun|deno|node]… [--seconds n] [--json]`.
 * @module
 */
import { type Options, readOptions } from "./arguments.ts";
import { measure, subjects } from "./measure.ts";
import { markdownTable, type Row } from "./report.ts";
import { type Scenario, scenarioNames, scenarios } from "./scenarios.ts";

async function main({ scenarios: names, targets, runtimes, seconds, json }: Options): Promise<void> {
  if (names.length === 0) throw new Error(`Name a scenario: ${scenarioNames.join(", ")}`);
  for (const name of names) {
    const scenario: Scenario = scenarios[name];
    const rows: Row[] = [];
    for (const subject of subjects(targets.length > 0 ? targets : scenario.targets, runtimes)) {
      const outcome = await measure(scenario, subject, seconds ?? scenario.seconds);
      rows.push({ ...subject, outcome });
      if (json) console.log(JSON.stringify({ scenario: name, ...subject, ...outcome }));
      if (!outcome.ok) process.exitCode = 1;
    }
    if (!json) console.log(`\n${scenario.title}\nGoal: ${scenario.goal}\n\n${markdownTable(scenario, rows)}`);
  }
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}
