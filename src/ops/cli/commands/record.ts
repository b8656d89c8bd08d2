/**
 * `weir record`: exports a part of the log with its journals to one file that opens elsewhere.
 * @module
 */
import { defineCommand } from "citty";
import { recordSegment } from "../../replay/record.ts";
import { counted } from "../../replay/text.ts";
import { filterNamed } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { jsonArgs, logArgs, lookBack, printJson, timeOf } from "../look-back.ts";

const args = {
  file: { type: "positional", description: "File to write, as trouble.weir", required: true },
  filter: { type: "string", description: "Records that match", default: ">", valueHint: "filter" },
  from: { type: "string", description: "Records from this time on", valueHint: "time" },
  until: { type: "string", description: "Records and events up to this time", valueHint: "time" },
  session: {
    type: "string",
    description:
      "Of sessions the journal of this one alone; records, and journals of nodes and connections, as without",
    valueHint: "id",
  },
  anonymise: { type: "boolean", description: "Replace names and contents; sizes and structure stay", default: false },
  force: { type: "boolean", description: "Write over a file that is there", default: false },
  ...logArgs,
  ...jsonArgs,
} as const;

export const recordCommand = defineCommand({
  meta: { name: "record", description: "Export a part of the log with its journals to one file" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async ({ log }) => {
      const { file, from, until, session, anonymise, force } = given;
      const filter = filterNamed("--filter", given.filter);
      const written = await recordSegment(log, file, {
        ...{ filter, anonymise, now: Date.now(), overwrites: force },
        ...(from === undefined ? {} : { from: timeOf("from", from) }),
        ...(until === undefined ? {} : { until: timeOf("until", until) }),
        ...(session === undefined ? {} : { session }),
      });
      if (given.json) printJson({ file, ...written });
      else
        console.log(
          `Wrote ${counted(written.records, "record")} and ${counted(written.entries, "journal entry", "journal entries")} to ${file}`,
        );
      return exitCodes.done;
    }),
});
