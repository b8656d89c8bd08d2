/**
 * `weir rollout`: moves clients from nodes of one version to nodes of another in stages, watches how they do, and takes
 * everybody back by itself when they do worse.
 * @module
 */
import { defineCommand } from "citty";
import { type NodeRow, Nodes } from "../../rollout/nodes.ts";
import { type RolloutPlan, rollOut } from "../../rollout/rollout.ts";
import { strictArguments, wholeNumber } from "../arguments.ts";
import { exitCodes, usageError } from "../exit-code.ts";
import { httpUrl, nodesArgs, withNodes } from "./drain.ts";

const args = {
  ...nodesArgs,
  from: {
    type: "string",
    description: "Versions, or names of nodes, that have the clients",
    required: true,
    valueHint: "version,…",
  },
  to: {
    type: "string",
    description: "Versions, or names of nodes, that are to have them",
    required: true,
    valueHint: "version,…",
  },
  stages: {
    type: "string",
    description: "Percent that have moved after each stage",
    default: "10,50,100",
    valueHint: "percent,…",
  },
  watch: { type: "string", description: "Seconds to watch each stage", default: "60", valueHint: "seconds" },
  "move-within": { type: "string", description: "Seconds that a move may take", default: "600", valueHint: "seconds" },
  "errors-max": {
    type: "string",
    description: "Percent of handshakes or frames that may fail beyond what failed before",
    default: "1",
    valueHint: "percent",
  },
  "latency-factor-max": {
    type: "string",
    description: "p99 of latency may be so many times what it was",
    default: "3",
    valueHint: "number",
  },
  "latency-ms": { type: "string", description: "And this much in any case", default: "250", valueHint: "ms" },
} as const;

const secondsMax = 86_400;

export const rolloutCommand = defineCommand({
  meta: {
    name: "rollout",
    description: "Move clients to nodes of another version in stages, and back if those do worse",
  },
  args,
  run: async ({ args: given, rawArgs }) => {
    strictArguments(args, rawArgs);
    const input: Omit<RolloutPlan, "from" | "to"> = {
      stages: stagesOf(given.stages),
      watchMs: wholeNumber("watch", given.watch, { min: 1, max: secondsMax }) * 1_000,
      moveMs: wholeNumber("move-within", given["move-within"], { min: 1, max: secondsMax }) * 1_000,
      limits: {
        errorRatioMax: number("errors-max", given["errors-max"], 100) / 100,
        latencyFactorMax: number("latency-factor-max", given["latency-factor-max"], 1_000),
        latencyMs: number("latency-ms", given["latency-ms"], 3_600_000),
      },
    };
    const nodes = new Nodes(httpUrl(given.url), given.token ?? process.env["WEIR_TOKEN"]);
    return await withNodes(async () => {
      const rows = await nodes.list();
      const plan = { ...input, from: named(rows, "from", given.from), to: named(rows, "to", given.to) };
      const both = plan.from.filter((node) => plan.to.includes(node));
      if (both.length > 0) throw usageError(`${both.join(", ")} stands in --from and in --to`);
      console.log(`From ${plan.from.join(", ")} to ${plan.to.join(", ")}`);
      const stop = new AbortController();
      process.once("SIGINT", () => stop.abort()).once("SIGTERM", () => stop.abort());
      const { state } = await rollOut(nodes, plan, { told: (line) => console.log(line), signal: stop.signal });
      return state === "done" ? exitCodes.done : exitCodes.failed;
    });
  },
});

/** Each word is a node's name, or the version of some. */
function named(rows: readonly NodeRow[], option: string, words: string): string[] {
  const found = words.split(",").flatMap((word) => {
    const nodes = rows.filter(({ id, member }) => id === word || member.version === word);
    const living = nodes.filter(({ member }) => member.status !== "left");
    if (living.length === 0) {
      const known = rows.map(({ id, member }) => `${id} (${member.version})`).join(", ");
      throw usageError(`--${option}: no node has the name or the version "${word}", there are: ${known}`);
    }
    return living.map(({ id }) => id);
  });
  return [...new Set(found)];
}

function stagesOf(text: string): number[] {
  const stages = text.split(",").map((word) => Number(word) / 100);
  const ascends = stages.every((share, i) => share > (stages[i - 1] ?? 0) && share <= 1);
  if (!ascends || stages.at(-1) !== 1)
    throw usageError(`--stages must be ascending percents of which the last is 100, got "${text}"`);
  return stages;
}

function number(option: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= max) return value;
  throw usageError(`--${option} must be a number from 0 to ${max}, got "${text}"`);
}
