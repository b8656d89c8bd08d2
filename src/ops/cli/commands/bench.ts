/**
 * `weir bench`: a quick load on a gateway, with rates and latencies.
 * @module
 */
import { randomBytes } from "node:crypto";
import { defineCommand } from "citty";
import type { Qos } from "../../../protocol/frame.ts";
import { limits } from "../../../protocol/limits.ts";
import type { Histogram } from "../../bench/histogram.ts";
import { type LoadReport, payloadBytesMin, runLoad } from "../../bench/load.ts";
import { oneOf, wholeNumber } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { answered, gatewayArgs, gatewayOf, openClient } from "../gateway-client.ts";

const text = { type: "string", valueHint: "number" } as const;

export const benchCommand = defineCommand({
  meta: { name: "bench", description: "Load a gateway for some seconds, and measure" },
  args: {
    ...gatewayArgs,
    seconds: { ...text, description: "How long to publish", default: "5" },
    publishers: { ...text, description: "Clients that publish", default: "2" },
    subscribers: { ...text, description: "Clients that receive everything", default: "2" },
    size: { ...text, description: "Bytes of a payload", default: "128" },
    qos: { ...text, description: "0, 1 or 2", default: "2" },
    "in-flight": {
      ...text,
      description: "Records of a publisher that wait for their acknowledgement",
      default: "1000",
    },
  },
  run: async ({ args }): Promise<ExitCode> => {
    const gateway = gatewayOf(args);
    const options = {
      seconds: wholeNumber("seconds", args.seconds, { min: 1, max: 3_600 }),
      publishers: wholeNumber("publishers", args.publishers, { min: 1, max: 1_000 }),
      subscribers: wholeNumber("subscribers", args.subscribers, { min: 0, max: 1_000 }),
      payloadBytes: wholeNumber("size", args.size, { min: payloadBytesMin, max: limits.payloadBytesMax }),
      qos: Number(oneOf("qos", args.qos, ["0", "1", "2"])) as Qos,
      inFlight: wholeNumber("in-flight", args["in-flight"], { min: 1, max: limits.publishCreditRecords }),
      run: randomBytes(4).toString("hex"),
    };
    const probe = openClient(gateway);
    try {
      await answered(probe.history("bench.>", { limit: 1, backward: true }), { client: probe, gateway });
    } finally {
      await probe.close();
    }
    const report = await runLoad((agent) => openClient(gateway, { agent }), options);
    console.log(reportText(report));
    const broken = options.qos > 0 && (report.missing > 0 || (options.qos === 2 && report.duplicated > 0));
    return broken ? exitCodes.promiseBroken : exitCodes.done;
  },
});

function reportText(report: LoadReport): string {
  const perSecond = (count: number): string => `${Math.round(count / report.seconds)}/s`;
  const quantiles = (histogram: Histogram): string =>
    [0.5, 0.99, 0.999, 1].map((ratio) => histogram.quantileMs(ratio).toFixed(2).padStart(9)).join(" ");
  return [
    `acknowledged  ${report.acked} (${perSecond(report.acked)})`,
    `delivered     ${report.delivered} (${perSecond(report.delivered)}), ${report.missing} missing, ${report.duplicated} duplicated`,
    "",
    "ms                  p50       p99     p99.9       max",
    `acknowledge   ${quantiles(report.ackMs)}`,
    `deliver       ${quantiles(report.deliverMs)}`,
  ].join("\n");
}
