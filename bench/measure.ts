/**
 * One measurement: starts the server on its core and the generator on the other, and brings the numbers.
 * @module
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import type { LoadJob, Measures } from "./load/job.ts";
import { startPinned } from "./process.ts";
import type { Scenario } from "./scenarios.ts";
import { startTarget, type TargetName, targets } from "./targets/target.ts";
import type { RuntimeName } from "./targets/weir.ts";

/** Inside the repository, so that an embedded log lies on a real disk and not in a temporary file system. */
const workDir = `${import.meta.dir}/.work`;

export type Subject = { readonly target: TargetName; readonly runtime: RuntimeName };
export type Outcome =
  | { readonly ok: true; readonly measures: Measures; readonly promise: string }
  | { readonly ok: false; readonly reason: string };

/** Each target on each runtime that it can run on. */
export function subjects(names: readonly TargetName[], runtimes: readonly RuntimeName[]): readonly Subject[] {
  return names.flatMap((target) =>
    (targets[target].anyRuntime === true ? runtimes : (["bun"] as const)).map((runtime) => ({ target, runtime })),
  );
}

export async function measure(scenario: Scenario, subject: Subject, seconds: number): Promise<Outcome> {
  const { target: name, runtime } = subject;
  const target = targets[name];
  await mkdir(workDir, { recursive: true });
  const dir = await mkdtemp(`${workDir}/${name}-`);
  try {
    const server = await startTarget(target, dir, runtime);
    try {
      return await generate({
        load: scenario.load,
        dialect: target.dialect,
        port: server.port,
        serverPid: server.process.pid,
        ...(server.store === undefined ? {} : { storePids: server.store.processes.map(({ pid }) => pid) }),
        seconds,
        qos: target.qos ?? scenario.qos,
        numbers: { ...scenario.numbers, ...target.numbers },
      });
    } finally {
      await server.stop();
    }
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function generate(job: LoadJob): Promise<Outcome> {
  let line = "";
  const generator = startPinned(
    1,
    [process.execPath, `${import.meta.dir}/load/main.ts`, JSON.stringify(job)],
    (text) => {
      line = text;
    },
  );
  const timer = setTimeout(() => void generator.stop("SIGKILL"), (job.seconds + 150) * 1000);
  const code = await generator.exited;
  clearTimeout(timer);
  if (code !== 0) return { ok: false, reason: generator.output().trim() || `Generator ended with code ${code}` };
  return { ok: true, ...(JSON.parse(line) as { measures: Measures; promise: string }) };
}
