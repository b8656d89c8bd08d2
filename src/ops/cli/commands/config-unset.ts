/**
 * `weir config unset`: takes back what was changed at run time, without a gateway: the way in when a change shut
 * everybody out. Written down as every other change.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineCommand } from "citty";
import type { EventLog } from "../../../runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../../../runtime/system.ts";
import { type KeptChanges, readChanges, writeChanges } from "../../config/changes.ts";
import { loadConfig, problemLine } from "../../config/load.ts";
import type { LogStore } from "../../config/log-store.ts";
import { openLog } from "../../log/open-log.ts";
import { Audit } from "../../rest/audit.ts";
import { strictArguments } from "../arguments.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { logFile } from "../kept-changes.ts";
import { logArgs } from "../look-back.ts";
import { natsSettings } from "../nats-store.ts";

const args = {
  setting: {
    type: "positional",
    description: "Setting that was changed at run time, as security.apiKeys",
    required: true,
  },
  ...logArgs,
} as const;

const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };

export const configUnsetCommand = defineCommand({
  meta: {
    name: "unset",
    description: "Take back what was changed at run time, while no gateway runs on an embedded log",
  },
  args,
  run: async ({ rawArgs, args: { setting } }) => {
    const flags = strictArguments(args, rawArgs, natsSettings);
    const loaded = loadConfig({ flags, env: process.env, readFile: (path) => readFileSync(path, "utf8") });
    if (!loaded.ok) throw usageError(["Wrong configuration", ...loaded.problems.map(problemLine)].join("\n  "));
    const { store } = loaded.config.log;
    assertThere(store);
    const log = await openLog(store, ports, { client: "weir config unset", provision: false });
    try {
      await unset(log, setting);
    } finally {
      await log.close();
    }
    console.log(`${setting} is as flags, environment and files say it from the next start on`);
    return exitCodes.done;
  },
});

/** A log is not made only to find nothing in it. */
function assertThere(store: LogStore): void {
  if (store.kind === "memory")
    throw new CliError(exitCodes.usage, "A log in memory is gone with its gateway: name another one with --log");
  if (store.kind === "embedded" && !existsSync(join(store.directory, logFile)))
    throw new CliError(exitCodes.failed, `There is no log in ${store.directory}: it holds no ${logFile}`);
}

async function unset(log: EventLog, setting: string): Promise<void> {
  const changes = await readChanges(log.keyValue);
  const { [setting]: taken, ...kept } = changes.kept;
  if (taken === undefined)
    throw new CliError(exitCodes.failed, `${setting} was not changed at run time, ${changedText(changes)}`);
  const audit = new Audit({ log, ...ports, node: "weir config unset" });
  const change = {
    action: "config.change",
    target: "config",
    before: { [setting]: taken.value },
    after: { [setting]: null },
  };
  const caller = { who: "command line", role: "admin", publish: [], subscribe: [] } as const;
  await audit.perform(caller, change, async () => {
    const revision = await writeChanges(log.keyValue, { kept, revision: changes.revision });
    if (revision === undefined) throw new CliError(exitCodes.failed, "A gateway changed settings meanwhile, try again");
  });
}

function changedText({ kept }: KeptChanges): string {
  const names = Object.keys(kept);
  return names.length === 0 ? "nothing was" : `but ${names.join(", ")}`;
}
