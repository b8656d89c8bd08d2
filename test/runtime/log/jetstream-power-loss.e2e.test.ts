/**
 * Servers of a cluster lose their power, each with what it had not flushed: it starts again from a copy of its store
 * that was taken before the last writes. One of three loses nothing for the log; all three at once lose what they had
 * acknowledged, and the log says so.
 */
import { expect, test } from "bun:test";
import { openJetStreamLog } from "../../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsCluster, startNatsCluster } from "../../support/nats-cluster.ts";
import { copyStore, losePower, type StoreCopy } from "../../support/nats-power.ts";
import { Load, logName, openLog, readAll, until } from "./jetstream-load.ts";
import { newRecord, texts } from "./new-record.ts";

const testMsMax = 120_000;
const replicas = 3;

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
}

async function clusterWithLog(stack: AsyncDisposableStack, line: (typeof natsLines)[number]) {
  const cluster = stack.use(await startNatsCluster({ line }));
  const name = logName();
  const streams = [name.toUpperCase(), `${name.toUpperCase()}_JOURNAL`];
  const told: string[] = [];
  const log = await openJetStreamLog({
    ...{ servers: cluster.urls, name, provision: { replicas }, onLost: (why) => void told.push(why) },
    ...{ clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } },
  });
  await settled(cluster, streams);
  return { cluster, name, streams, log, told, open: () => openLog(cluster.urls, name, { provision: { replicas } }) };
}
async function settled(cluster: NatsCluster, streams: readonly string[]): Promise<void> {
  for (const stream of streams) await cluster.settled(stream);
}

for (const line of natsLines) {
  await describeOnNats(line, "log on three servers", () => {
    test(
      "loses nothing when the one that leads it comes back without its last writes, and another is lost then",
      async () => {
        await using stack = new AsyncDisposableStack();
        const { cluster, streams, log, told, open } = await clusterWithLog(stack, line);
        const load = new Load(log);
        await load.moves();
        const victim = await cluster.leaderOf(streams[0] as string);
        using copy = await copyStore(victim);
        await load.moves();
        await losePower(victim, copy);
        await load.moves();
        await victim.restart();
        await settled(cluster, streams);
        const other = await cluster.ledByAnother(streams[0] as string, victim);
        await other.kill();
        await load.moves();
        await load.end(open);
        expect([load.failures, told]).toEqual([[], []]);
        await log.close();
      },
      testMsMax,
    );
  });
}

await describeOnNats("newest", "log on three servers that lose their power at once", () => {
  test(
    "says that it lost its end, takes nothing more, and begins another epoch when it is opened again",
    async () => {
      await using stack = new AsyncDisposableStack();
      const { cluster, streams, log, told, open } = await clusterWithLog(stack, "newest");
      const append = async (from: number, to: number): Promise<void> => {
        const result = await log.append({ records: numbers(from, to).map((text) => newRecord("a", text)) });
        expect(result.ok).toBe(true);
      };
      const seen: number[] = [];
      log.follow(0, (records) => void seen.push(...records.map(({ seq }) => seq)));
      await append(1, 50);
      await settled(cluster, streams);
      const copies = await Promise.all(cluster.nodes.map((node) => copyStore(node)));
      for (const copy of copies) stack.use(copy);
      await append(51, 100);
      await until("everything was followed", () => seen.length === 100);
      await Promise.all(cluster.nodes.map((node, i) => losePower(node, copies[i] as StoreCopy)));
      await Promise.all(cluster.nodes.map((node) => node.restart()));
      await until("the log says so", () => told.length > 0);
      expect(told).toEqual([expect.stringContaining("The log lost its end: it goes to seq 50, and 100 was stored")]);
      expect(await log.append({ records: [newRecord("a", "late")] })).toMatchObject({ code: "unavailable" });
      const again = await open();
      const { epoch, earlier, lastSeq } = again.info();
      expect(earlier).toEqual([{ epoch: log.info().epoch, last: 50 }]);
      expect([epoch === log.info().epoch, lastSeq]).toEqual([false, 50]);
      expect(texts(await readAll(again))).toEqual(numbers(1, 50));
      await Promise.all([log.close(), again.close()]);
    },
    testMsMax,
  );
});
