/**
 * `weir history`: prints what the log holds, oldest or newest first, and ends.
 * @module
 */
import { defineCommand } from "citty";
import type { HistoryPage } from "../../../client/mod.ts";
import { limits } from "../../../protocol/limits.ts";
import { oneOf, wholeNumber } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { answered, gatewayArgs, gatewayOf, openClient } from "../gateway-client.ts";
import { recordFormats, recordLine, startOf } from "../record-line.ts";

export const historyCommand = defineCommand({
  meta: { name: "history", description: "Print records that the log holds" },
  args: {
    filter: { type: "positional", description: "Filter as 'orders.>' or 'orders.*.42'", required: true },
    ...gatewayArgs,
    limit: {
      type: "string",
      description: `Records, at most ${limits.pageRecordsMax}`,
      default: "100",
      valueHint: "number",
    },
    from: {
      type: "string",
      description: "Begin at a time; absent: at the first record, or backward at the last",
      valueHint: "time",
    },
    backward: { type: "boolean", description: "Newest first", default: false },
    format: { type: "string", description: recordFormats.join(", "), default: "line", valueHint: "format" },
  },
  run: async ({ args }): Promise<ExitCode> => {
    const gateway = gatewayOf(args);
    const format = oneOf("format", args.format, recordFormats);
    const limit = wholeNumber("limit", args.limit, { min: 1, max: limits.pageRecordsMax });
    const from = args.from === undefined ? {} : { from: startOf("from", args.from) };
    const client = openClient(gateway);
    try {
      const page = await answered<HistoryPage>(
        client.history(args.filter, { limit, backward: args.backward, ...from }),
        { client, gateway },
      );
      for (const record of page.records) console.log(recordLine(record, format));
      return exitCodes.done;
    } finally {
      await client.close();
    }
  },
});
