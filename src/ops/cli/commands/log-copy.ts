/**
 * `weir log copy`: moves an embedded log to NATS, when no gateway writes it.
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { defineCommand } from "citty";
import type { EventLog } from "../../../runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../../../runtime/system.ts";
import type { LogStore } from "../../config/log-store.ts";
import { CopyError, copyLog, isEmpty } from "../../log/copy-log.ts";
import { openLog } from "../../log/open-log.ts";
import { counted } from "../../replay/text.ts";
import { strictArguments } from "../arguments.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "../exit-code.ts";
import { logFile } from "../kept-changes.ts";
import { natsSettings, natsStoreOf } from "../nats-store.ts";

const args = {
  from: { type: "string", description: "Log to copy, embedded:<directory>", required: true, valueHint: "url" },
  to: { type: "string", description: "Log that holds nothing, nats://<host>:<port>[,nats://…]", valueHint: "url" },
  config: { type: "string", description: "YAML or JSON file with settings of the new log", valueHint: "file" },
} as const;

const embedded = "embedded:";

export const logCopyCommand = defineCommand({
  meta: { name: "copy", description: "Copy an embedded log that no gateway writes to NATS" },
  args,
  run: async ({ rawArgs }) => {
    const { from = "", to, ...flags } = strictArguments(args, rawArgs, natsSettings);
    const store = natsStoreOf({ ...flags, ...(to === undefined ? {} : { log: to }) }, "to");
    const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };
    const open = (one: LogStore) => openLog(one, ports, { client: "weir log copy", provision: false });
    const source = await open({ kind: "embedded", directory: directoryOf(from) });
    try {
      const target = await open(store);
      try {
        return await copy(source, target, () => ports.clock.now());
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  },
});

function directoryOf(from: string): string {
  const directory = from.startsWith(embedded) ? from.slice(embedded.length) : "";
  if (directory === "") throw usageError(`--from must be embedded:<directory>, got "${from}"`);
  if (existsSync(join(directory, logFile))) return directory;
  throw new CliError(exitCodes.failed, `There is no log in ${directory}: it holds no ${logFile}`);
}

async function copy(source: EventLog, target: EventLog, now: () => number): Promise<ExitCode> {
  if (!(await isEmpty(target))) {
    const message =
      "The target holds records or sessions already: copy into streams that hold nothing, or choose another --log.nats.name";
    throw new CliError(exitCodes.failed, message);
  }
  try {
    const progress = (records: number): void => console.log(counted(records, "record"));
    const { records, sessions, keys } = await copyLog(source, target, { now, progress });
    console.log(
      `Copied ${counted(records, "record")}, the journals of ${counted(sessions, "session")}, ${counted(keys, "setting")}`,
    );
    console.log("Places are new: clients are told epochChanged, and begin new sessions");
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof CopyError)) throw error;
    throw new CliError(exitCodes.failed, `${error.message}. Remove the target's streams and begin again`, {
      cause: error,
    });
  }
}
