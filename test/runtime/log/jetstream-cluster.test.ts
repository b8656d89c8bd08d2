/**
 * The log on a cluster of three keeps the contract of every log: on the oldest and the newest server that Weir supports.
 */
import { afterAll, beforeAll } from "bun:test";
import { eventLogContract } from "../../contract/event-log.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsCluster, startNatsCluster } from "../../support/nats-cluster.ts";
import { logName, openLog } from "./jetstream-load.ts";

const startMsMax = 60_000;

for (const line of natsLines) {
  await describeOnNats(line, "log on a cluster", () => {
    let cluster: NatsCluster;
    beforeAll(async () => {
      cluster = await startNatsCluster({ line });
    }, startMsMax);
    afterAll(() => cluster?.[Symbol.asyncDispose]());
    const open = async () => {
      const name = logName();
      const openNow = () => openLog(cluster.urls, name, { provision: { replicas: 3 } });
      let log = await openNow();
      return {
        log,
        reopen: async () => {
          await log.close();
          log = await openNow();
          return log;
        },
        advance: (ms: number) => (ms > 0 ? Bun.sleep(ms) : undefined),
        realTime: true,
        dispose: () => log.close(),
      };
    };
    eventLogContract("jetstream", open, { modelRuns: 2, transactions: line === "newest" });
  });
}
