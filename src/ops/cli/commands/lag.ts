/**
 * `weir lag`: ranks sessions by how far behind they are.
 * @module
 */
import { defineCommand } from "citty";
import { lagOf } from "../../replay/lag.ts";
import { milliseconds } from "../../replay/text.ts";
import { wholeNumber } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { jsonArgs, liveArgs, logArgs, lookBack, printJson, table } from "../look-back.ts";

const args = {
  limit: { type: "string", description: "At most so many", default: "20", valueHint: "number" },
  ...logArgs,
  ...liveArgs,
  ...jsonArgs,
} as const;

export const lagCommand = defineCommand({
  meta: { name: "lag", description: "Rank sessions by how far behind they are" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async ({ log, live }) => {
      const max = wholeNumber("limit", given.limit, { min: 1, max: 10_000 });
      const page = await lagOf(log, { max, ...(live === undefined ? {} : { live }) });
      if (given.json) {
        printJson(page);
        return exitCodes.done;
      }
      if (page.sessions.length === 0) console.log(`Nobody is behind; the log ends at ${page.lastSeq}`);
      const now = Date.now();
      const rows = page.sessions.map(({ session, subject, state, records, more, oldestAt, filters }) => [
        ...[session, subject, state, `${records}${more ? "+" : ""}`],
        oldestAt === undefined ? "" : milliseconds(now - oldestAt),
        filters.map(({ filter, position }) => `${filter} at ${position}`).join(", "),
      ]);
      if (rows.length > 0)
        console.log(table([["session", "subject", "state", "records", "oldest", "filters"], ...rows]));
      return exitCodes.done;
    }),
});
