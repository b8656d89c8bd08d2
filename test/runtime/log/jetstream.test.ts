/**
 * The log on NATS keeps the contract of every log: on the oldest and the newest server that Weir supports.
 */
import { afterAll } from "bun:test";
import { openJetStreamLog } from "../../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { eventLogContract, type OpenLog } from "../../contract/event-log.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";

const logger = { log: () => undefined };
let logs = 0;

function opener(server: () => Promise<NatsServer>): OpenLog {
  return async () => {
    const { url } = await server();
    const name = `t${++logs}`;
    const open = () =>
      openJetStreamLog({ servers: [url], name, provision: {}, clock: systemClock(), random: systemRandom(), logger });
    let log = await open();
    return {
      log,
      reopen: async () => {
        await log.close();
        log = await open();
        return log;
      },
      advance: (ms) => (ms > 0 ? Bun.sleep(ms) : undefined),
      realTime: true,
      dispose: () => log.close(),
    };
  };
}

for (const line of natsLines) {
  await describeOnNats(line, "log on one server", () => {
    let started: Promise<NatsServer> | undefined;
    afterAll(async () => await (await started)?.[Symbol.asyncDispose]());
    const server = () => {
      started ??= startNatsServer({ line });
      return started;
    };
    eventLogContract("jetstream", opener(server), { modelRuns: 8, transactions: line === "newest" });
  });
}
