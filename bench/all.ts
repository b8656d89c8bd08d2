/**
 * Runs every scenario beside its rivals in one go and writes results.md: `bun bench/all.ts [scenario]…
 * [--runtime bun|deno|node]… [--seconds n]`. The soak takes 10 minutes unless `--seconds` says otherwise.
 * @module
 */
import { cpus, release, totalmem } from "node:os";
import { type Options, readOptions } from "./arguments.ts";
import { measure, type Subject, subjects } from "./measure.ts";
import { markdownTable, type Row } from "./report.ts";
import { type Scenario, scenarioNames, scenarios } from "./scenarios.ts";

const resultsFile = `${import.meta.dir}/results.md`;
/** What stands below it is written by hand, and stays. */
const byHand = "<!-- From here on by hand: runs of single scenarios, and what the tables say. -->";

async function output(...command: string[]): Promise<string> {
  try {
    const child = Bun.spawn(command, { cwd: import.meta.dir, stdout: "pipe", stderr: "ignore" });
    return (await new Response(child.stdout).text()).trim().split("\n")[0] ?? "";
  } catch {
    return "not installed";
  }
}

async function version(dependency: string): Promise<string> {
  const file = Bun.file(`${import.meta.dir}/node_modules/${dependency}/package.json`);
  if (!(await file.exists())) return `${dependency} absent`;
  return `${dependency} ${((await file.json()) as { version: string }).version}`;
}

async function heading(): Promise<string> {
  const commit = await output("git", "rev-parse", "--short=12", "HEAD");
  const changed = await output("git", "status", "--porcelain", "--", "../src");
  const processor = cpus()[0]?.model ?? "unknown processor";
  const memoryGb = Math.round(totalmem() / 1_073_741_824);
  const rivals = [await version("ws"), await version("socket.io"), await output("mosquitto", "-h")].join(", ");
  return [
    "# Results",
    "",
    "Written by `bun bench/all.ts` down to the line that says so. What each row means and how it is measured: README.md.",
    "",
    `- Date: ${new Date().toISOString()}`,
    `- Commit: ${commit}${changed === "" ? "" : ", with uncommitted changes in src/"}`,
    `- Machine: ${cpus().length} × ${processor}, ${memoryGb} GB, Linux ${release()}; server on core 0, generator on core 1`,
    `- Bun ${Bun.version}, Node ${await output("node", "--version")}, ${rivals}`,
  ].join("\n");
}

async function section(scenario: Scenario, wanted: readonly Subject[], seconds: number): Promise<string> {
  const rows: Row[] = [];
  for (const subject of wanted) {
    const outcome = await measure(scenario, subject, seconds);
    rows.push({ ...subject, outcome });
    console.error(
      `${subject.target} on ${subject.runtime}: ${JSON.stringify(outcome.ok ? outcome.measures : outcome.reason)}`,
    );
  }
  return `## ${scenario.title}\n\nGoal: ${scenario.goal}. ${seconds} s.\n\n${markdownTable(scenario, rows)}`;
}

async function writtenByHand(): Promise<string> {
  const text = await Bun.file(resultsFile).text();
  return text.includes(byHand) ? text.slice(text.indexOf(byHand)) : `${byHand}\n`;
}

async function main({ scenarios: names, targets, runtimes, seconds }: Options): Promise<void> {
  const parts = [await heading()];
  const kept = await writtenByHand();
  for (const name of names.length > 0 ? names : scenarioNames) {
    const scenario: Scenario = scenarios[name];
    console.error(`\n${name}`);
    const wanted = scenario.targets.filter((target) => targets.length === 0 || targets.includes(target));
    parts.push(await section(scenario, subjects(wanted, runtimes), seconds ?? scenario.seconds));
    // After each section: a run that is cut short leaves what it has measured.
    await Bun.write(resultsFile, `${parts.join("\n\n")}\n\n${kept}`);
  }
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}
