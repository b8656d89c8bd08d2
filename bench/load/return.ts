/**
 * Many clients with one subscription each lose their connection, records are published meanwhile, and all
 * come back at once: what part of the missed records arrives, and how long after its own reconnect began
 * each client has the last of them.
 * @module
 */

import type { Publisher, Subscriber } from "../dialects/dialect.ts";
import { CpuWindow } from "../proc-stat.ts";
import { Distribution, round } from "./distribution.ts";
import { inGroups, type LoadRun, type Measures, SequenceCheck, until } from "./job.ts";

const connectAtOnce = 100;
/** Clients that start to connect before the generator's loop may handle answers: its burst, not a limit of rate. */
const returnBurst = 250;

type Client = { readonly subscriber: Subscriber; readonly check: SequenceCheck; backAt: number; wholeAt: number };

export async function returnAll(run: LoadRun): Promise<Measures> {
  const topics = run.number("topics");
  const missed = run.number("missedPerTopic");
  const clients = await openClients(run, topics, 1 + missed);
  const publisher = await run.dialect.openPublisher();
  for (let t = 0; t < topics; t += 1) publishOne(publisher, t, 0);
  const warm = await until(() => clients.every((client) => client.check.next === 1), 20_000);
  if (!warm) throw new Error("Clients did not receive the first record while connected");

  for (const client of clients) client.subscriber.drop();
  const began = performance.now();
  for (let i = 0; i < missed; i += 1) {
    for (let t = 0; t < topics; t += 1) publishOne(publisher, t, 1 + i);
    await Bun.sleep(Math.max(0, began + ((i + 1) * run.number("awayMs")) / missed - performance.now()));
  }
  await until(() => publisher.settled() === topics * (1 + missed), 10_000);

  const cpu = new CpuWindow(run.job);
  const returnedAt = performance.now();
  const refused = await returnTogether(clients);
  await until(() => clients.every((client) => client.wholeAt > 0), 30_000);
  const { serverUs } = cpu.read();
  return summary(clients, { missed, returnedAt, serverUs, refused });
}

function publishOne(publisher: Publisher, t: number, index: number): void {
  publisher.publish(`bench.return.${t}`, { first: index, count: 1, sentAt: 0, apart: false });
}

function openClients(run: LoadRun, topics: number, records: number): Promise<Client[]> {
  return inGroups(run.number("clients"), connectAtOnce, async (i) => {
    const check = new SequenceCheck();
    const client: Client = { subscriber: undefined as unknown as Subscriber, check, backAt: 0, wholeAt: 0 };
    const subscriber = await run.dialect.openSubscriber({
      topic: `bench.return.${i % topics}`,
      qos: run.job.qos,
      onRecord(index) {
        check.take(index);
        if (check.next === records && client.wholeAt === 0) client.wholeAt = performance.now();
      },
    });
    return Object.assign(client, { subscriber });
  });
}

/** Answers how many could not connect. */
async function returnTogether(clients: readonly Client[]): Promise<number> {
  let refused = 0;
  const pending: Promise<void>[] = [];
  const onRefused = (): void => {
    refused += 1;
  };
  for (const [i, client] of clients.entries()) {
    client.backAt = performance.now();
    pending.push(client.subscriber.resume().catch(onRefused));
    if (i % returnBurst === returnBurst - 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.race([Promise.all(pending), Bun.sleep(30_000)]);
  return refused;
}

type Outcome = {
  readonly missed: number;
  readonly returnedAt: number;
  readonly serverUs: number;
  readonly refused: number;
};

function summary(clients: readonly Client[], { missed, returnedAt, serverUs, refused }: Outcome): Measures {
  const replay = new Distribution();
  let received = 0;
  let copies = 0;
  let lastAt = returnedAt;
  for (const { check, wholeAt, backAt } of clients) {
    received += check.received - 1;
    copies += check.copies;
    if (wholeAt > 0) replay.add(wholeAt - backAt);
    lastAt = Math.max(lastAt, wholeAt);
  }
  const [p50, p95, p99] = replay.percentiles(50, 95, 99) as [number, number, number];
  return {
    clients: clients.length,
    missedEach: missed,
    deliveredPercent: round((100 * received) / (missed * clients.length), 3),
    wholeClients: replay.count,
    p50Ms: round(p50),
    p95Ms: round(p95),
    p99Ms: round(p99),
    allMs: round(lastAt - returnedAt),
    serverUsPerClient: round(serverUs / clients.length),
    copies,
    refused,
  };
}
