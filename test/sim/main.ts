/**
 * `bun test/sim/main.ts --seeds N [--first K] [--nats [--no-batches]] [--bug NAME] [--trace]`: runs seeds K … K+N-1, one world each. A seed
 * that fails is run again with a trace; its violations, its last events and the command that repeats it are printed.
 * @module
 */
import { parseArgs } from "node:util";
import { type Bug, bugs } from "./bugs.ts";
import { natsBugs } from "./nats/bugs.ts";
import { type Outcome, runWorld } from "./world.ts";

const traceLinesMax = 60;
const failuresMax = 5;

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} is "${text}", not a whole number`);
  return value;
}

/** `world`: the options that make the same world again. */
function report(seed: number, world: string, { violations, trace }: Outcome, whole: boolean): void {
  console.log(`\nSeed ${seed} failed:`);
  for (const { checker, message } of violations.slice(0, 10)) console.log(`  [${checker}] ${message}`);
  if (violations.length > 10) console.log(`  … and ${violations.length - 10} more`);
  const telling = trace.filter((line) => !/ (ping|pong) /.test(line));
  console.log(whole ? "Trace:" : `Last of ${trace.length} events, without PING and PONG (--trace prints all):`);
  for (const line of whole ? trace : telling.slice(-traceLinesMax)) console.log(`  ${line}`);
  console.log(`Repeat it: bun test/sim/main.ts --seeds 1 --first ${seed}${world} --trace`);
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      first: { type: "string", default: "1" },
      nats: { type: "boolean", default: false },
      "no-batches": { type: "boolean", default: false },
      bug: { type: "string" },
      trace: { type: "boolean", default: false },
    },
  });
  const count = whole("seeds", values.seeds);
  const first = whole("first", values.first);
  const known = values.nats ? natsBugs : bugs;
  const bug: Bug | undefined = values.bug === undefined ? undefined : known[values.bug];
  if (values.bug !== undefined && bug === undefined)
    throw new Error(`Unknown bug "${values.bug}"; known: ${Object.keys(known).join(", ")}`);
  const batches = !values["no-batches"];
  if (!batches && !values.nats) throw new Error("--no-batches says what the servers of --nats do not know");
  const with_ = { nats: values.nats, batches, ...(bug === undefined ? {} : { bug }) };
  const world = `${values.nats ? " --nats" : ""}${batches ? "" : " --no-batches"}${values.bug === undefined ? "" : ` --bug ${values.bug}`}`;
  const startedMs = performance.now();
  const failed: number[] = [];
  const totals = { events: 0, virtualMs: 0, records: 0, processed: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const outcome = runWorld({ seed, ...with_ });
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += outcome[name];
    if (outcome.violations.length > 0) {
      failed.push(seed);
      report(seed, world, runWorld({ seed, ...with_, readable: true }), values.trace);
      if (failed.length >= failuresMax) break;
    } else if (values.trace && count === 1)
      for (const line of runWorld({ seed, ...with_, readable: true }).trace) console.log(line);
    const done = seed - first + 1;
    if (done % 100 === 0)
      console.log(`${done} seeds, ${Math.round((done * 1_000) / (performance.now() - startedMs))} a second`);
  }
  const tookMs = performance.now() - startedMs;
  console.log(
    `${count} seeds, ${failed.length} failed${failed.length > 0 ? ` (${failed.join(", ")})` : ""}; ${(tookMs / 1_000).toFixed(1)} s, ${((count * 1_000) / tookMs).toFixed(1)} a second; ` +
      `${totals.events} events in ${Math.round(totals.virtualMs / 3_600_000)} h of virtual time, ${totals.records} records, ${totals.processed} processed`,
  );
  return failed.length > 0 ? 1 : 0;
}

process.exitCode = main();
