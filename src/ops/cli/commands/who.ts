/**
 * `weir who`: for one record, how far each session that should have it came.
 * @module
 */
import { defineCommand } from "citty";
import { topicProblem } from "../../../protocol/topic.ts";
import { type Ledger, type LedgerRow, whoHas } from "../../replay/ledger.ts";
import { instant } from "../../replay/text.ts";
import { wholeNumber } from "../arguments.ts";
import { exitCodes, usageError } from "../exit-code.ts";
import { jsonArgs, liveArgs, logArgs, lookBack, printJson, table } from "../look-back.ts";

const args = {
  topic: { type: "positional", description: "Topic of the record", required: true },
  seq: { type: "positional", description: "Its place in the log", required: true },
  ...logArgs,
  ...liveArgs,
  ...jsonArgs,
} as const;

export const whoCommand = defineCommand({
  meta: { name: "who", description: "Say who has a record: processed, on its way, given up, lost" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async ({ log, live }) => {
      const problem = topicProblem(given.topic);
      if (problem !== undefined) throw usageError(`topic must be the one of the record, not a filter: ${problem}`);
      const seq = wholeNumber("seq", given.seq, { min: 1, max: Number.MAX_SAFE_INTEGER });
      const ledger = await whoHas(log, given.topic, seq, { live });
      if (given.json) {
        printJson(ledger);
        return exitCodes.done;
      }
      const { record, rows } = ledger;
      console.log(
        record === undefined
          ? absenceText(ledger, await log.end())
          : `${given.topic} at ${seq}: published ${instant(record.time)} as ${record.id}, ${record.bytes} bytes, lane ${record.lane}`,
      );
      if (rows.length === 0) console.log("No session should have it");
      else
        console.log(
          `\n${table([["session", "subject", "filter", "fate", "since", "tries", "why"], ...rows.map(cells)])}`,
        );
      return exitCodes.done;
    }),
});

function absenceText({ topic, seq, absent }: Ledger, end: number): string {
  if (absent === "beyondEnd") return `The log ends at ${end}: nothing is at ${seq} yet`;
  if (absent === "trimmed")
    return `Retention took what was at ${seq}: whether it was of ${topic} is not known any more`;
  return `The log holds no record of ${topic} at ${seq}: the topic there is another, or the seq is wrong`;
}

function cells({ session, subject, filter, fate, since, tries, reasons, cause }: LedgerRow): string[] {
  const why = [...(cause === undefined ? [] : [cause]), ...reasons.filter((reason) => reason !== cause)].join("; ");
  const when = since === undefined ? "" : instant(since);
  return [session, subject, filter, fate, when, tries === undefined ? "" : String(tries), why];
}
