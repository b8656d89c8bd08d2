/**
 * `weir publish`: one record, or a record for every line of standard input. Ends when the log holds them.
 * @module
 */
import { createInterface } from "node:readline";
import { defineCommand } from "citty";
import type { PublishOptions } from "../../../client/mod.ts";
import { laneNames } from "../../../protocol/lane.ts";
import { counted } from "../../replay/text.ts";
import { headersIn, oneOf } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { answered, gatewayArgs, gatewayOf, openClient, waitArgs, waitMs } from "../gateway-client.ts";

/** Lines under way at once. */
const unackedMax = 1_000;

export const publishCommand = defineCommand({
  meta: { name: "publish", description: "Publish a record, or every line of standard input" },
  args: {
    topic: { type: "positional", description: "Topic as orders.eu.42", required: true },
    payload: {
      type: "positional",
      description: "Text of the record, as it is; absent: lines from standard input",
      required: false,
    },
    ...gatewayArgs,
    ...waitArgs,
    priority: { type: "string", description: laneNames.join(", "), default: "normal", valueHint: "lane" },
    header: { type: "string", description: "Headers as name=value,name=value", valueHint: "headers" },
  },
  run: async ({ args }): Promise<ExitCode> => {
    const gateway = gatewayOf(args);
    const withinMs = waitMs(args);
    const options: PublishOptions = {
      priority: oneOf("priority", args.priority, laneNames),
      ...headersIn(args.header),
    };
    const client = openClient(gateway);
    try {
      const publish = (text: string) =>
        answered(client.publish(args.topic, new TextEncoder().encode(text), options), { client, gateway, withinMs });
      if (args.payload !== undefined) {
        const { seq } = await publish(args.payload);
        console.log(`published at ${seq}`);
      } else {
        console.log(`published ${counted(await publishLines(publish), "record")}`);
      }
      return exitCodes.done;
    } finally {
      await client.close();
    }
  },
});

async function publishLines(publish: (line: string) => Promise<unknown>): Promise<number> {
  const unacked = new Set<Promise<unknown>>();
  let failure: { readonly error: unknown } | undefined;
  let count = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    const one = publish(line)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => unacked.delete(one));
    unacked.add(one);
    count++;
    if (unacked.size >= unackedMax) await Promise.race(unacked);
    if (failure !== undefined) throw failure.error;
  }
  await Promise.all(unacked);
  if (failure !== undefined) throw failure.error;
  return count;
}
