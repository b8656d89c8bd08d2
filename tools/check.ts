/**
 * `bun run check`: everything that a change must pass, in order of how soon it fails. Each step's name and
 * time, and a stop at the first failure.
 *
 * `--no-tests` leaves the tests out for those who have just run them; the simulation still runs.
 * @module
 */
import { availableParallelism } from "node:os";
import { runTests, summaryLine } from "./test.ts";

const simulationSeeds = 1_000;
/** Of several gateways that share a log on NATS: larger worlds. */
const natsSeeds = 200;
/** No step takes half as long where the check runs; one that hangs must not hold up the rest. */
const stepMsMax = 15 * 60_000;
const simulationPartsMax = 8;

type Step = { readonly name: string; readonly run: () => Promise<number> };

/** Runs a tool's JavaScript entry with this Bun, so that the check needs no Node. */
function tool(entry: string, ...args: readonly string[]): () => Promise<number> {
  return async () => {
    const command = [process.execPath, `node_modules/${entry}`, ...args];
    return await Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"], timeout: stepMsMax }).exited;
  };
}

/** Worlds do not share anything, so each core takes a part of the seeds. */
async function simulate(count: number, ...options: readonly string[]): Promise<number> {
  const parts = Math.min(availableParallelism(), simulationPartsMax);
  const seeds = Math.ceil(count / parts);
  const running = Array.from({ length: parts }, (_, part) => {
    const range = ["--seeds", String(seeds), "--first", String(1 + part * seeds)];
    const command = [process.execPath, "test/sim/main.ts", ...range, ...options];
    return Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"], timeout: stepMsMax }).exited;
  });
  return Math.max(...(await Promise.all(running)));
}

async function test(): Promise<number> {
  const run = await runTests([]);
  console.log(summaryLine(run));
  return run.exitCode;
}

/** The newest release that this commit descends from; undefined before the first one and outside of git. */
function lastTag(): string | undefined {
  const { exitCode, stdout } = Bun.spawnSync(["git", "describe", "--tags", "--abbrev=0"], { stderr: "ignore" });
  const tag = stdout.toString().trim();
  return exitCode === 0 && tag !== "" ? tag : undefined;
}

function steps(options: { readonly tests: boolean }): readonly Step[] {
  const tag = lastTag();
  const breaking = tool("@bufbuild/buf/bin/buf", "breaking", "--against", `.git#tag=${tag}`);
  return [
    { name: "biome ci", run: tool("@biomejs/biome/bin/biome", "ci", ".") },
    { name: "types, project", run: tool("typescript/bin/tsc", "-p", "tsconfig.json") },
    { name: "types, client in a browser", run: tool("typescript/bin/tsc", "-p", "tsconfig.client.json") },
    { name: "buf lint", run: tool("@bufbuild/buf/bin/buf", "lint") },
    ...(tag === undefined ? [] : [{ name: `buf breaking against ${tag}`, run: breaking }]),
    { name: "unused code", run: tool("knip/bin/knip.js") },
    ...(options.tests ? [{ name: "tests", run: test }] : []),
    { name: `simulation, ${simulationSeeds} seeds`, run: () => simulate(simulationSeeds) },
    { name: `simulation on NATS, ${natsSeeds} seeds`, run: () => simulate(natsSeeds, "--nats") },
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => arg !== "--no-tests");
  if (unknown.length > 0) {
    console.error(`check: Unknown option ${unknown.join(" ")}, expected --no-tests or nothing`);
    return 2;
  }
  for (const step of steps({ tests: !args.includes("--no-tests") })) {
    console.log(`── ${step.name}`);
    const startedAt = performance.now();
    const exitCode = await step.run();
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(`── ${step.name}: ${exitCode === 0 ? "ok" : "FAILED"} (${seconds} s)`);
    if (exitCode !== 0) return 1;
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
