/**
 * `weir record`: exports a part of the log with its journals to one file that opens elsewhere.
 * @module
 */
import { defineCommand } from "citty";
import { recordSegment } from "../../replay/record.ts";
import { exitCodes } from "../exit-code.ts";
import { jsonArgs, logArgs, lookBack, printJson, timeOf } from "../look-back.ts";

const args = {
  file: { type: "positional", description: "File to write, as trouble.weir", required: true },
  filter: { type: "string", description: "Records that match", default: ">", valueHint: "filter" },
  from: { type: "string", description: "Records from this time on", valueHint: "time" },
  until: { type: "string", description: "Records and events up to this time", valueHint: "time" },
  session: { type: "string", description: "The journal of this session alone", valueHint: "id" },
  anonymise: { type: "boolean", description: "Replace names and contents; sizes and structure stay", default: false },
  ...logArgs,
  ...jsonArgs,
} as const;

export const recordCommand = defineCommand({
  meta: { name: "record", description: "Export a part of the log with its journals to one file" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async ({ log }) => {
      const { file, filter, from, until, session, anonymise } = given;
      const written = await recordSegment(log, file, {
        ...{ filter, anonymise, now: Date.now() },
        ...(from === undefined ? {} : { from: timeOf("from", from) }),
        ...(until === undefined ? {} : { until: timeOf("until", until) }),
        ...(session === undefined ? {} : { session }),
      });
      if (given.json) printJson({ file, ...written });
      else console.log(`Wrote ${written.records} records and ${written.entries} journal entries to ${file}`);
      return exitCodes.done;
    }),
});
