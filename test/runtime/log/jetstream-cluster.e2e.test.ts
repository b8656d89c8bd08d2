/**
 * A cluster under the log loses servers: those that lead its streams, and the one that keeps the follower's consumer.
 * What was acknowledged is there once, in order, and everything goes on without the lost server.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "@nats-io/transport-node";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsCluster, startNatsCluster } from "../../support/nats-cluster.ts";
import { startTcpProxy } from "../../support/nats-proxy.ts";
import type { NatsServer } from "../../support/nats-server.ts";
import { Load, logName, openLog, until } from "./jetstream-load.ts";

const testMsMax = 90_000;
const deafTimes = 4;

type Fault = {
  readonly title: string;
  /** Of the streams' names, and the load's follower. */
  victim(cluster: NatsCluster, stream: string): Promise<NatsServer>;
  readonly how: "kill" | "stop";
};
const faults: readonly Fault[] = [
  { title: "leads the records is killed", victim: (cluster, stream) => cluster.leaderOf(stream), how: "kill" },
  {
    title: "leads the journals is killed",
    victim: (cluster, stream) => cluster.leaderOf(`${stream}_JOURNAL`),
    how: "kill",
  },
  { title: "leads the records is stopped", victim: (cluster, stream) => cluster.leaderOf(stream), how: "stop" },
  { title: "keeps the follower's consumer is killed", victim: consumerHost, how: "kill" },
];

for (const line of natsLines) {
  await describeOnNats(line, "log on a cluster whose server that", () => {
    let cluster: NatsCluster;
    beforeAll(async () => {
      cluster = await startNatsCluster({ line });
    }, testMsMax);
    afterAll(() => cluster?.[Symbol.asyncDispose]());

    for (const { title, victim, how } of line === "newest" ? faults : faults.slice(0, 1)) {
      test(
        title,
        async () => {
          const name = logName();
          const open = () => openLog(cluster.urls, name, { provision: { replicas: 3 } });
          const log = await open();
          const streams = [name.toUpperCase(), `${name.toUpperCase()}_JOURNAL`];
          await Promise.all(streams.map((stream) => cluster.settled(stream)));
          const load = new Load(log);
          await load.moves();
          const lost = await victim(cluster, name.toUpperCase());
          await lost[how]();
          await load.moves();
          await load.end(open);
          console.info(
            `${lost.version} ${title}: ${load.acknowledged.size} records, longest silence of answers ` +
              `${Math.round(load.longestSilence)} ms, of the follower ${Math.round(load.longestFollowerSilence)} ms`,
          );
          await lost.restart();
          await Promise.all(streams.map((stream) => cluster.settled(stream)));
          expect(load.failures).toEqual([]);
          await log.close();
        },
        testMsMax,
      );
    }
  });
}

for (const line of natsLines) {
  await describeOnNats(line, "log on a cluster whose answers are lost", () => {
    test(
      `stores everything once, sent ${line === "newest" ? "in batches" : "one by one"}, when that happens again and again`,
      async () => {
        await using stack = new AsyncDisposableStack();
        const cluster = stack.use(await startNatsCluster({ line }));
        const name = logName();
        const proxies = await Promise.all(cluster.nodes.map(({ port }) => startTcpProxy(port)));
        for (const proxy of proxies) stack.use(proxy);
        const provision = { replicas: 3 };
        const urls = proxies.map(({ port }) => `127.0.0.1:${port}`);
        const log = await openLog(urls, name, { provision });
        await Promise.all([name.toUpperCase(), `${name.toUpperCase()}_JOURNAL`].map((one) => cluster.settled(one)));
        const load = new Load(log);
        for (let i = 0; i < deafTimes; i++) {
          await load.moves(100);
          for (const proxy of proxies) proxy.deafen();
          const answered = Math.max(...load.acknowledged.values());
          await until("more is stored than was answered", async () => (await lastSeqOf(cluster, name)) > answered + 1);
          for (const proxy of proxies) proxy.mend();
        }
        await load.moves(100);
        await load.end(() => openLog(cluster.urls, name, { provision }));
        expect(load.failures).toEqual([]);
        await log.close();
      },
      testMsMax,
    );
  });
}

async function lastSeqOf(cluster: NatsCluster, name: string): Promise<number> {
  const client = await connect({ servers: [...cluster.urls] });
  const info = await client.request(`$JS.API.STREAM.INFO.${name.toUpperCase()}`);
  await client.close();
  return info.json<{ state: { last_seq: number } }>().state.last_seq;
}

type Consumers = { readonly consumers?: readonly { readonly cluster?: { readonly leader?: string } }[] };

async function consumerHost(cluster: NatsCluster, stream: string): Promise<NatsServer> {
  const client = await connect({ servers: [...cluster.urls] });
  try {
    let host: NatsServer | undefined;
    await until(`${stream} has a consumer`, async () => {
      const { consumers = [] } = (await client.request(`$JS.API.CONSUMER.LIST.${stream}`)).json<Consumers>();
      host = cluster.nodes.find(({ name }) => name === consumers[0]?.cluster?.leader);
      return host !== undefined;
    });
    return host as NatsServer;
  } finally {
    await client.close();
  }
}
