/**
 * A record that is sent again while its first copy waits for the cluster is refused as "in process": that says nothing
 * about whether it will be stored, so it is tried again.
 */
import { expect, test } from "bun:test";
import { connect } from "@nats-io/transport-node";
import { describeOnNats } from "../../support/nats-binary.ts";
import { startNatsCluster } from "../../support/nats-cluster.ts";
import { logName, openLog, readAll, until } from "./jetstream-load.ts";
import { newRecord, texts } from "./new-record.ts";

const testMsMax = 60_000;

await describeOnNats("newest", "append() to a leader whose followers stand still", () => {
  test(
    "is not answered before the record is stored, and stores it once",
    async () => {
      await using cluster = await startNatsCluster();
      const name = logName();
      await (await openLog(cluster.urls, name, { provision: { replicas: 3 } })).close();
      const streams = [name.toUpperCase(), `${name.toUpperCase()}_JOURNAL`];
      await Promise.all(streams.map((stream) => cluster.settled(stream)));
      const leader = await cluster.leaderOf(name.toUpperCase());
      const connection = { ignoreClusterUpdates: true };
      const log = await openLog([leader.url], name, { connection, publisher: { resendMs: 100 } });
      const numbered = (number: number) => ({ producer: "p", after: number - 1, numbers: [number] });
      expect((await log.append({ records: [newRecord("a", "1")], numbered: numbered(1) })).ok).toBe(true);
      const client = await connect({ servers: leader.url, ...connection });
      let inProcess = 0;
      client.subscribe("_INBOX_weir.>", {
        callback: (error, message) => {
          if (error === null && /"err_code":10158\b/.test(message.string())) inProcess++;
        },
      });
      await client.flush();
      const followers = cluster.nodes.filter((node) => node !== leader);
      for (const follower of followers) await follower.pause();
      let answered = false;
      const appending = log.append({ records: [newRecord("a", "2")], numbered: numbered(2) }).finally(() => {
        answered = true;
      });
      await until("the server refused a copy as in process", () => inProcess > 0);
      expect(answered).toBe(false);
      for (const follower of followers) follower.continue();
      expect(await appending).toMatchObject({ ok: true });
      expect(texts(await readAll(log))).toEqual(["1", "2"]);
      await client.close();
      await log.close();
    },
    testMsMax,
  );
});
