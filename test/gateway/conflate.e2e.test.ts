/**
 * What a QoS 0 subscriber gets that could not keep up: by `conflate` the newest record of every topic, on a real
 * socket that was really full, and live again afterwards.
 */
import { expect, test } from "bun:test";
import type { Client, World } from "../conformance/world.ts";
import { RawReader } from "./raw-reader.ts";
import { Stage, until } from "./stage.ts";

const topics = ["prices.a", "prices.b", "prices.c"] as const;
const rounds = 160;
/** 160 rounds of three are some 63 MB: far more than the kernel buffers for one connection. */
const payloadBytes = 131_072;

async function publishRound(client: Client, round: number): Promise<void> {
  const payload = new Uint8Array(payloadBytes);
  new DataView(payload.buffer).setUint32(0, round);
  client.peer.send({ type: "publish", first: client.next, records: topics.map((topic) => ({ topic, payload })) });
  client.next += topics.length;
  while ((await client.peer.expect("published")).upTo < client.next - 1);
}

class Prices {
  readonly newest = new Map<string, number>();
  received = 0;
  backwards = 0;

  see(topic: string, payload: Uint8Array): void {
    const round = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    if (round <= (this.newest.get(topic) ?? -1)) this.backwards++;
    this.newest.set(topic, round);
    this.received++;
  }
}

async function reader(stage: Stage): Promise<{ prices: Prices; socket: RawReader }> {
  const prices = new Prices();
  const socket = await RawReader.open({
    url: stage.url,
    filter: "prices.*",
    qos: 0,
    congestion: "conflate",
    onRecord: ({ topic, payload }) => prices.see(topic, payload),
  });
  return { prices, socket };
}

const allAt = (round: number) => Object.fromEntries(topics.map((topic) => [topic, round]));

test("conflate gives a subscriber whose socket was full the newest record of every topic, and then all records live", async () => {
  await using stage = await Stage.open();
  const world: World = stage.world();
  const publisher = await world.open();
  const { prices, socket } = await reader(stage);
  socket.stall();
  for (let round = 0; round < rounds; round++) await publishRound(publisher, round);
  expect(prices.received).toBeLessThan(rounds);

  socket.unstall();
  await until(
    () => [...prices.newest.values()].filter((round) => round === rounds - 1).length === 3,
    "the newest of all",
  );
  await until(async () => (await stage.metric("weir_subscriptions_behind")) === 0, "it is live again");
  expect(Object.fromEntries(prices.newest)).toEqual(allAt(rounds - 1));
  expect(prices.received).toBeLessThan((rounds * topics.length) / 2);
  expect(prices.backwards).toBe(0);

  const before = prices.received;
  for (let round = rounds; round < rounds + 10; round++) await publishRound(publisher, round);
  await until(() => prices.received >= before + 10 * topics.length, "each record of the live feed");
  expect(Object.fromEntries(prices.newest)).toEqual(allAt(rounds + 9));
  expect(prices.received).toBe(before + 10 * topics.length);
  socket.close();
}, 60_000);
