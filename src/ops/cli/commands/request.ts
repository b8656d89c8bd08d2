/**
 * `weir request`: asks whoever serves a topic, and prints the response.
 * @module
 */
import { defineCommand } from "citty";
import { requests } from "../../../client/requests.ts";
import { duration, headersIn } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { answered, gatewayArgs, gatewayOf, openClient } from "../gateway-client.ts";

/** So that the request's own end comes first. */
const graceMs = 1_000;

export const requestCommand = defineCommand({
  meta: { name: "request", description: "Ask whoever serves a topic, and print the response" },
  args: {
    topic: { type: "positional", description: "Topic as prices.tea", required: true },
    payload: { type: "positional", description: "Text of the request, as it is; absent: empty", required: false },
    ...gatewayArgs,
    timeout: { type: "string", description: "Time for the response", default: "5s", valueHint: "duration" },
    header: { type: "string", description: "Headers as name=value,name=value", valueHint: "headers" },
  },
  run: async ({ args }): Promise<ExitCode> => {
    const gateway = gatewayOf(args);
    const timeoutMs = duration("timeout", args.timeout);
    const options = { timeoutMs, ...headersIn(args.header) };
    const client = openClient(gateway);
    try {
      await answered(client.connected(), { client, gateway });
      const payload = new TextEncoder().encode(args.payload ?? "");
      const asked = requests(client).request(args.topic, payload, options);
      const response = await answered(asked, { client, gateway, withinMs: timeoutMs + graceMs });
      console.log(response.text());
      return exitCodes.done;
    } finally {
      await client.close();
    }
  },
});
