/**
 * A subscriber that reads nothing while half a gigabyte passes on its topic costs the gateway nothing: not memory,
 * not the latency of its neighbours; and when it reads again it receives everything exactly once.
 */
import { expect, test } from "bun:test";
import { msgpackCodec } from "../../src/protocol/codec-msgpack.ts";
import { limits } from "../../src/protocol/limits.ts";
import { type Client, World } from "../conformance/world.ts";
import { RawReader } from "./raw-reader.ts";
import { Served } from "./served.ts";
import { until } from "./stage.ts";

const mebibyte = 1_048_576;
const recordBytes = 32_768;
const recordsPerFrame = 8;
const bulkRecords = (500 * mebibyte) / recordBytes;
/** The same traffic first without the slow one: what garbage of it waits for its collection is no cost of a slow reader. */
const warmUpRecords = bulkRecords;
const probeMs = 10;
const growthMax = 64 * mebibyte;
/** On a machine of 24 GB JavaScriptCore lets 400 MB of garbage lie, give or take 80: that would hide what is held. */
const collectOften = { BUN_JSC_forceRAMSize: String(128 * mebibyte) };

/** Publishes records that carry their number, a few frames ahead of what is settled. */
async function publishBulk(client: Client, topic: string, count: number): Promise<void> {
  const ahead = 8 * recordsPerFrame;
  const begin = client.next;
  let settled = begin - 1;
  while (client.next < begin + count) {
    const records = Array.from({ length: recordsPerFrame }, (_, i) => {
      const payload = new Uint8Array(recordBytes);
      new DataView(payload.buffer).setUint32(0, client.next - begin + i);
      return { topic, payload };
    });
    client.peer.send({ type: "publish", first: client.next, records });
    client.next += recordsPerFrame;
    while (client.next - settled > ahead) settled = (await client.peer.expect("published")).upTo;
  }
  while (settled < client.next - 1) settled = (await client.peer.expect("published")).upTo;
}

const numberOf = (payload: Uint8Array): number => new DataView(payload.buffer, payload.byteOffset).getUint32(0);

/** Sends a record with the time in it again and again while `work` runs. */
async function withProbes(client: Client, topic: string, work: () => Promise<void>): Promise<void> {
  const timer = setInterval(() => {
    const payload = new Uint8Array(Float64Array.of(performance.now()).buffer);
    client.peer.send({ type: "publish", first: client.next++, records: [{ topic, payload }] });
  }, probeMs);
  await work().finally(() => clearInterval(timer));
}

function percentiles(latencies: number[]): { readonly median: number; readonly p99: number } {
  const sorted = latencies.splice(0).sort((a, b) => a - b);
  return {
    median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  };
}

test("a subscriber that reads nothing for 500 MB costs neither memory nor its neighbours' time, and then receives all exactly once", async () => {
  await using gateway = await Served.start(collectOften);
  const world = new World({ url: gateway.url, codec: msgpackCodec, handshakeMs: limits.handshakeMs, waitMs: 20_000 });
  const [publisher, prober] = [await world.open(), await world.open()];
  const latencies: number[] = [];
  let healthy = 0;
  const neighbour = await RawReader.open({
    url: gateway.url,
    filter: "slow.>",
    qos: 1,
    onRecord: ({ topic, payload }) => {
      if (topic === "slow.probe")
        latencies.push(performance.now() - (new Float64Array(payload.slice().buffer)[0] ?? Number.NaN));
      else healthy++;
    },
  });

  gateway.watch();
  await withProbes(prober, "slow.probe", () => publishBulk(publisher, "slow.warm", warmUpRecords));
  await until(() => healthy === warmUpRecords, "the neighbour has all of it");
  const without = percentiles(latencies);
  const before = gateway.maximum;

  const received: number[] = [];
  const window = { records: limits.deliverWindowRecordsMax, bytes: limits.deliverWindowBytesMax };
  const onRecord = ({ payload }: { readonly payload: Uint8Array }) => void received.push(numberOf(payload));
  const slow = await RawReader.open({ url: gateway.url, filter: "slow.bulk", qos: 1, window, onRecord });
  const skipped = await RawReader.open({ url: gateway.url, filter: "slow.bulk", qos: 0, onRecord: () => undefined });
  slow.stall();
  skipped.stall();
  gateway.watch();
  healthy = 0;
  await withProbes(prober, "slow.probe", () => publishBulk(publisher, "slow.bulk", bulkRecords));
  await until(() => healthy === bulkRecords, "the neighbour has all of it again");
  const during = gateway.maximum;
  const beside = percentiles(latencies);

  // The log's file is mapped: what of it the kernel keeps in memory grows with the traffic, slow subscriber or not,
  // and is not the gateway's. So its own memory is judged, against the same traffic without the slow one.
  expect(during.anonymousBytes - before.anonymousBytes).toBeLessThan(growthMax);
  expect(beside.median).toBeLessThan(without.median * 3 + 10);
  expect(beside.p99).toBeLessThan(without.p99 * 4 + 50);
  expect(received.length).toBeLessThan(bulkRecords / 4);
  expect([slow.closed, skipped.closed]).toEqual([undefined, undefined]);

  skipped.close();
  slow.unstall();
  await until(() => received.length >= bulkRecords, "the slow one has all of it", 40_000);
  await until(async () => (await gateway.metric("weir_subscriptions_behind")) === 0, "nobody is behind");
  expect(received.length).toBe(bulkRecords);
  expect(received.every((number, index) => number === index)).toBe(true);
  expect(gateway.maximum.anonymousBytes - before.anonymousBytes).toBeLessThan(2 * growthMax);
  if (process.env["TEST_REPORT"] !== undefined) {
    const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;
    console.log({
      anonymous: [before, during, gateway.maximum].map((memory) => mib(memory.anonymousBytes)),
      resident: [before, during, gateway.maximum].map((memory) => mib(memory.residentBytes)),
      without,
      beside,
      holes: slow.holes,
    });
  }
  for (const reader of [neighbour, slow]) reader.close();
  await world.end();
}, 120_000);
