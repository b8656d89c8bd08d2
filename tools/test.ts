/**
 * Runs `bun test` and ends with the plain line `N passed, N failed`, taken from Bun's own summary.
 *
 * A run that ends badly without a failed test (a crash, nothing found) counts as one failure: the line never
 * says that all is well when the exit code says that it is not.
 * @module
 */
import { availableParallelism } from "node:os";

/** On a machine with nothing else to do all tests take half of this; a run that hangs must end with a line that says so. */
const runMsMax = 24 * 60_000;
/** Of a test that names no time of its own: a machine that does other work is no failure. */
const testMsMax = 20_000;
/** Files at once. Many tests wait for servers; more files than cores would make those late that do not. */
const filesAtOnceMax = 4;

export type TestRun = { readonly passed: number; readonly failed: number; readonly exitCode: number };

/** Numbers of Bun's summary (` 12 pass`, ` 1 fail`, ` 1 error`), the last of each counts. */
export function summaryOf(output: string, exitCode: number): TestRun {
  const count = (word: string): number => {
    const lines = [...output.matchAll(new RegExp(`^\\s*(\\d+) ${word}$`, "gm"))];
    return Number(lines.at(-1)?.[1] ?? 0);
  };
  const failed = count("fail") + count("errors?");
  return { passed: count("pass"), failed: failed === 0 && exitCode !== 0 ? 1 : failed, exitCode };
}

export function summaryLine(run: TestRun): string {
  return `${run.passed} passed, ${run.failed} failed`;
}

/** Shows Bun's output as it comes. */
export async function runTests(args: readonly string[]): Promise<TestRun> {
  const filesAtOnce = Math.min(availableParallelism(), filesAtOnceMax);
  const options = [`--timeout=${testMsMax}`, `--parallel=${filesAtOnce}`];
  const child = Bun.spawn([process.execPath, "test", ...options, ...args], {
    stdin: "inherit",
    stdout: "inherit",
    stderr: "pipe",
    timeout: runMsMax,
    env: process.stderr.isTTY ? { ...process.env, FORCE_COLOR: "1" } : process.env,
  });
  const forward = (signal: NodeJS.Signals) => () => child.kill(signal);
  const onInterrupt = forward("SIGINT");
  const onTerminate = forward("SIGTERM");
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of child.stderr) {
    process.stderr.write(chunk);
    // The summary stands at the end: what lies far before it need not be kept.
    output = (output + decoder.decode(chunk, { stream: true })).slice(-65_536);
  }
  const exitCode = await child.exited;
  process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);
  return summaryOf(Bun.stripANSI(output), exitCode);
}

if (import.meta.main) {
  const run = await runTests(process.argv.slice(2));
  console.log(summaryLine(run));
  process.exitCode = run.exitCode;
}
