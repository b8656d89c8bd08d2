/**
 * A load generator process: takes a job as JSON, prints its measures as one JSON line.
 * @module
 */
import { openDialect } from "../dialects/dialect.ts";
import { fanout } from "./fanout.ts";
import { idle } from "./idle.ts";
import { type LoadJob, type LoadName, LoadRun, type Measures } from "./job.ts";
import { latency } from "./latency.ts";
import { returnAll } from "./return.ts";
import { soak } from "./soak.ts";
import { throughput } from "./throughput.ts";

const loads: Readonly<Record<LoadName, (run: LoadRun) => Promise<Measures>>> = {
  throughput,
  fanout,
  idle,
  latency,
  return: returnAll,
  soak,
};

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

const job = JSON.parse(process.argv[2] ?? "null") as LoadJob;
const run = new LoadRun(job);
try {
  run.dialect = await openDialect(job.dialect, { port: job.port, onProgress: run.progressed, onFailure: fail });
  const measures = await loads[job.load](run);
  process.stdout.write(`${JSON.stringify({ measures, promise: run.dialect.describe() })}\n`);
  process.exit(0);
} catch (error) {
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
