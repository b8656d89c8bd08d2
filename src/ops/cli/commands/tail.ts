/**
 * `weir tail`: prints records as they arrive, and goes on after the gateway was away.
 * @module
 */
import { defineCommand } from "citty";
import type { Client, Subscription } from "../../../client/mod.ts";
import type { Qos } from "../../../protocol/frame.ts";
import type { ResumeAnswer } from "../../../protocol/position.ts";
import { oneOf, wholeNumber } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { answered, gatewayArgs, gatewayOf, interrupted, openClient } from "../gateway-client.ts";
import { recordFormats, recordLine, startOf } from "../record-line.ts";

export const tailCommand = defineCommand({
  meta: { name: "tail", description: "Print records as they arrive" },
  args: {
    filter: { type: "positional", description: "Filter as 'orders.>' or 'orders.*.42'", required: true },
    ...gatewayArgs,
    from: {
      type: "string",
      description: "new, all, last (of each topic), or a time",
      default: "new",
      valueHint: "start",
    },
    qos: { type: "string", description: "0, 1 or 2", default: "1", valueHint: "number" },
    limit: { type: "string", description: "End after so many records; 0: never", default: "0", valueHint: "number" },
    format: { type: "string", description: recordFormats.join(", "), default: "line", valueHint: "format" },
  },
  run: async ({ args }): Promise<ExitCode> => {
    const gateway = gatewayOf(args);
    const format = oneOf("format", args.format, recordFormats);
    const limit = wholeNumber("limit", args.limit, { min: 0, max: Number.MAX_SAFE_INTEGER });
    const qos = Number(oneOf("qos", args.qos, ["0", "1", "2"])) as Qos;
    const start = startOf("from", args.from);
    const client = openClient(gateway);
    try {
      const subscription = client.subscribe(args.filter, { qos, start });
      tellLosses(client, subscription);
      await answered(subscription.ready, { client, gateway });
      await Promise.race([print(subscription, { limit, line: (record) => recordLine(record, format) }), interrupted()]);
      return exitCodes.done;
    } finally {
      await client.close();
    }
  },
});

/** One line beside the records whenever they do not simply go on: what was lost, and where it goes on. */
function tellLosses(client: Client, subscription: Subscription): void {
  let lost: string | undefined;
  client.on("lost", ({ session, cause }) => {
    lost = `Session ${session} was lost (${cause}), a new one goes on`;
  });
  subscription.on("resume", ({ resume }) => {
    const isWhole = resume.kind === "upToDate" || resume.kind === "replay";
    if (lost !== undefined || !isWhole) console.error(`weir: ${lost ?? "The session goes on"} ${placeText(resume)}`);
    lost = undefined;
  });
}

function placeText(resume: ResumeAnswer): string {
  switch (resume.kind) {
    case "upToDate":
      return "with what comes from now on";
    case "replay":
      return `at ${resume.from}`;
    case "trimmed":
      return `at ${resume.first}: retention took what was before`;
    case "epochChanged":
      return `at ${resume.first} of a log that was made anew: numbers of the former mean nothing in it`;
    case "ahead":
      return `after ${resume.last}, where the log ends now: it lost what was behind`;
  }
}

async function print<Record>(
  records: AsyncIterable<Record>,
  options: { readonly limit: number; readonly line: (record: Record) => string },
): Promise<void> {
  let printed = 0;
  for await (const record of records) {
    console.log(options.line(record));
    if (++printed === options.limit) return;
  }
}
