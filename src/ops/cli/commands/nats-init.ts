/**
 * `weir nats init`: makes the streams of a log on NATS, or changes those that are there, after it has shown what would
 * change. It removes nothing, and refuses a change that would.
 * @module
 */
import { defineCommand } from "citty";
import { type Connected, connectToNats } from "../../../runtime/log/jetstream/connect.ts";
import {
  applyPlan,
  type Plan,
  type ProvisionOptions,
  planStreams,
  type StreamConfig,
  show,
} from "../../../runtime/log/jetstream/provision.ts";
import { namesOf } from "../../../runtime/log/jetstream/subjects.ts";
import { systemClock } from "../../../runtime/system.ts";
import type { NatsLogConfig } from "../../config/log-store.ts";
import { natsOptions } from "../../log/nats-options.ts";
import { duration, strictArguments, wholeNumber } from "../arguments.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "../exit-code.ts";
import { natsSettings, natsStoreOf } from "../nats-store.ts";

const args = {
  log: { type: "string", description: "Servers, nats://<host>:<port>[,nats://…]", valueHint: "url" },
  config: {
    type: "string",
    description: "YAML or JSON file with settings, the gateway's for example",
    valueHint: "file",
  },
  name: { type: "string", description: "Separates several Weirs in one account, weir by default", valueHint: "name" },
  replicas: {
    type: "string",
    description: "Servers that hold each stream: 1, 3 or 5. New streams: 3 in a cluster, else 1",
    valueHint: "number",
  },
  "max-age": { type: "string", description: "Records that are older go: 12h, 7d, 0s for no bound", valueHint: "time" },
  "max-bytes": { type: "string", description: "The oldest records beyond go, 0 for no bound", valueHint: "bytes" },
  "dry-run": { type: "boolean", description: "Only show what would change" },
} as const;

/** The server wants the window of de-duplication inside of it. */
const maxAgeMsMin = 120_000;
const replicasMax = 5;

export const natsInitCommand = defineCommand({
  meta: { name: "init", description: "Make or change the streams of a log on NATS" },
  args,
  run: async ({ rawArgs, args: { "dry-run": dryRun } }) => {
    const {
      name,
      replicas,
      "max-age": age,
      "max-bytes": bytes,
      ...flags
    } = strictArguments(args, rawArgs, natsSettings);
    const store = natsStoreOf({ ...flags, ...(name === undefined ? {} : { "log.nats.name": name }) }, "log");
    const wanted: ProvisionOptions = {
      ...(replicas === undefined ? {} : { replicas: wholeNumber("replicas", replicas, { min: 1, max: replicasMax }) }),
      ...(age === undefined ? {} : { maxAgeMs: maxAge(age) }),
      ...(bytes === undefined
        ? {}
        : { maxBytes: wholeNumber("max-bytes", bytes, { min: 0, max: Number.MAX_SAFE_INTEGER }) }),
    };
    return await init(store, wanted, dryRun === true);
  },
});

function maxAge(text: string): number {
  const ms = duration("max-age", text);
  if (ms === 0 || ms >= maxAgeMsMin) return ms;
  throw usageError(`--max-age must be ${maxAgeMsMin / 1_000}s or more, or 0s for no bound, got "${text}"`);
}

async function init(store: NatsLogConfig, wanted: ProvisionOptions, dryRun: boolean): Promise<ExitCode> {
  const clock = systemClock();
  const logger = { log: () => undefined };
  const connected = await connectToNats({ ...natsOptions(store, "weir nats init"), clock, logger });
  const plan = () => {
    const { api, batches, clustered } = connected;
    const options = { ...wanted, atomic: batches, clustered, nowMs: clock.now() };
    return connected.permitted(planStreams(api, namesOf(store.name), options));
  };
  try {
    return await carryOut(connected, plan, dryRun);
  } finally {
    connected.api.close();
    await connected.nc.close();
  }
}

async function carryOut(connected: Connected, plan: () => Promise<Plan>, dryRun: boolean): Promise<ExitCode> {
  const planned = await plan();
  const isDone = planned.create.length === 0 && planned.differences.length === 0;
  if (!isDone) console.log(table(planned));
  if (planned.problems.length > 0)
    throw new CliError(exitCodes.failed, ["Nothing was changed", ...planned.problems].join("\n  "));
  if (isDone) {
    console.log("Nothing to do");
    return exitCodes.done;
  }
  if (dryRun) {
    console.log("\nDry run: nothing was changed");
    return exitCodes.done;
  }
  await connected.permitted(applyPlan(connected.api, planned));
  console.log(`\nDone: ${planned.create.length} streams made, ${planned.update.length} changed`);
  const left = (await plan()).differences;
  if (left.length === 0) return exitCodes.done;
  const rest = left.map(({ stream, field }) => `${field} of ${stream}`).join(", ");
  throw new CliError(exitCodes.failed, `The servers did not take all of it over: ${rest}`);
}

function table({ create, differences }: Plan): string {
  const rows = [
    ["STREAM", "FIELD", "FOUND", "WANTED"],
    ...create.map((config) => [config.name, "stream", "nothing", summary(config)]),
    ...differences.map(({ stream, field, found, wanted }) => [stream, field, show(field, found), show(field, wanted)]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")).join("\n");
}

function summary(config: StreamConfig): string {
  const { subjects, num_replicas: replicas, max_age: age, max_bytes: bytes, allow_atomic: atomic } = config;
  return [
    show("subjects", subjects),
    `${replicas} replica${replicas === 1 ? "" : "s"}`,
    ...(age === 0 ? [] : [`max_age ${show("max_age", age)}`]),
    ...(bytes === undefined || bytes === -1 ? [] : [`max_bytes ${bytes}`]),
    ...(atomic === true ? ["allow_atomic"] : []),
  ].join("; ");
}
