/**
 * Reads the harness's command line; anything unknown is an error with the names that are known.
 * @module
 */
import { parseArgs } from "node:util";
import { type ScenarioName, scenarioNames } from "./scenarios.ts";
import { type TargetName, targetNames } from "./targets/target.ts";
import { type RuntimeName, runtimeNames } from "./targets/weir.ts";

export type Options = {
  readonly scenarios: readonly ScenarioName[];
  readonly targets: readonly TargetName[];
  /** Of Weir's own rows. @default Bun */
  readonly runtimes: readonly RuntimeName[];
  readonly seconds: number | undefined;
  readonly json: boolean;
};

export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      target: { type: "string", multiple: true, default: [] },
      runtime: { type: "string", multiple: true, default: ["bun"] },
      seconds: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  return {
    scenarios: positionals.map((name) => oneOf(scenarioNames, name, "scenario")),
    targets: values.target.map((name) => oneOf(targetNames, name, "target")),
    runtimes: values.runtime.map((name) => oneOf(runtimeNames, name, "runtime")),
    seconds: readSeconds(values.seconds),
    json: values.json,
  };
}

function oneOf<T extends string>(known: readonly T[], name: string, what: string): T {
  const found = known.find((candidate) => candidate === name);
  if (found === undefined) throw new Error(`Unknown ${what} ${JSON.stringify(name)}, known are ${known.join(", ")}`);
  return found;
}

function readSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new Error(`Seconds must lie in (0, 86400], got ${JSON.stringify(text)}`);
  return seconds;
}
