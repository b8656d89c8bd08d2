/**
 * The SDK against the production gateway, over real sockets.
 */
import { afterEach, expect, test } from "bun:test";
import { type Client, type ConnectOptions, connect, type ReceivedRecord } from "../../src/client/mod.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import { anonymousAuthenticator } from "../../src/runtime/auth.ts";
import { localBus } from "../../src/runtime/bus/local.ts";
import { createGateway, type Gateway } from "../../src/runtime/gateway.ts";
import { openMemoryLog } from "../../src/runtime/log/memory.ts";
import { systemProcess } from "../../src/runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../../src/runtime/system.ts";
import { bunTransport } from "../../src/runtime/transport/bun.ts";

/** A gateway that can be stopped and started again over the same log, on the same port. */
class Place {
  readonly #log = openMemoryLog({ clock: systemClock(), epoch: "e2e" });
  readonly #clients: Client[] = [];
  #gateway: Gateway | undefined;
  port = 0;

  async start(): Promise<void> {
    const authenticator = anonymousAuthenticator({ publish: [">"], subscribe: [">"] });
    const ports = {
      clock: systemClock(),
      random: systemRandom(),
      digest: sha256,
      log: this.#log,
      bus: localBus(systemClock()),
      transport: bunTransport(),
      authenticator,
      logger: { log: () => undefined },
      probe: systemProcess(),
    };
    this.#gateway = createGateway(ports, { port: this.port });
    this.port = (await this.#gateway.start()).port;
  }
  async stop(): Promise<void> {
    await this.#gateway?.stop({ timeoutMs: 1_000 });
    this.#gateway = undefined;
  }
  connect(options: ConnectOptions = {}): Client {
    const client = connect(`ws://127.0.0.1:${this.port}`, { reconnect: { minMs: 10, maxMs: 100 }, ...options });
    this.#clients.push(client);
    return client;
  }
  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.stop();
    await this.#log.close();
  }
}

let place: Place;
afterEach(() => place.end());
async function open(): Promise<Place> {
  place = new Place();
  await place.start();
  return place;
}

/** Resolves when the list has so many items. */
function gathered<T>(count: number): { readonly items: T[]; add(item: T): void; readonly full: Promise<void> } {
  const items: T[] = [];
  let done = (): void => undefined;
  const full = new Promise<void>((resolve) => {
    done = resolve;
  });
  return { items, full, add: (item) => items.push(item) >= count && done() };
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test.each(Object.values(codecs))(
  "publish and subscribe carry every record once and in order (codec $name)",
  async (codec) => {
    await open();
    const got = gathered<number>(2_000);
    const subscriber = place.connect({ codec });
    await subscriber.subscribe("orders.>", { qos: 2 }, (record) => got.add(record.json<number>())).ready;
    const publisher = place.connect({ codec });
    const results = await Promise.all(
      numbers(2_000).map((value) => publisher.publish("orders.eu", value, { headers: { k: "v" } })),
    );
    await got.full;
    expect(got.items).toEqual(numbers(2_000));
    expect(results.map(({ n }) => n)).toEqual(numbers(2_000));
    expect(results.every(({ seq }) => seq !== undefined)).toBe(true);
  },
);

test("a gateway that is stopped and started again in the middle loses nothing and repeats nothing", async () => {
  await open();
  const got = gathered<number>(3_000);
  const subscriber = place.connect();
  await subscriber.subscribe("a.*", { qos: 2 }, (record) => got.add(record.json<number>())).ready;
  const publisher = place.connect();
  const resumed = gathered<string>(2);
  subscriber.on("resumed", () => resumed.add("subscriber"));
  publisher.on("resumed", () => resumed.add("publisher"));
  const results: Promise<unknown>[] = [];
  for (const value of numbers(3_000)) {
    results.push(publisher.publish("a.b", value));
    if (value % 100 === 0) await results.at(-1);
    if (value === 1_550) {
      // Fifty of them are under way.
      await place.stop();
      await place.start();
    }
  }
  await Promise.all(results);
  await got.full;
  await resumed.full;
  expect(got.items).toEqual(numbers(3_000));
});

test("a record whose callback throws comes again, and at last stands in the dead-letter topic", async () => {
  await open();
  const client = place.connect();
  const dead = gathered<string>(1);
  await client.subscribe("$dead.>", (record) =>
    dead.add(`${record.headers["weir-attempts"]} ${record.headers["weir-topic"]}`),
  ).ready;
  const tries: number[] = [];
  await client.subscribe("jobs", { maxDeliver: 3, autoAck: false }, (record) => {
    tries.push(record.attempt);
    record.nak({ delayMs: 5, reason: "never" });
  }).ready;
  await client.publish("jobs", 1);
  await dead.full;
  expect(tries).toEqual([1, 2, 3]);
  expect(dead.items).toEqual(["3 jobs"]);
});

test("consume-transform-produce in transactions is exact over a restart of the gateway", async () => {
  await open();
  const out = gathered<number>(200);
  const client = place.connect();
  await client.subscribe("out", { qos: 2 }, (record) => out.add(record.json<number>())).ready;
  const worker = place.connect();
  await worker.subscribe("in", { qos: 2, autoAck: false }, async (record: ReceivedRecord) => {
    await worker.transaction((tx) => {
      tx.publish("out", record.json<number>() * 10);
      tx.ack(record);
    });
  }).ready;
  await Promise.all(numbers(200).map((value) => client.publish("in", value)));
  await place.stop();
  await place.start();
  await out.full;
  expect(out.items).toEqual(numbers(200).map((value) => value * 10));
});

test("an iterator over a small window reads everything at its own pace", async () => {
  await open();
  const client = place.connect({ ack: { ms: 1 } });
  const subscription = client.subscribe("a", { window: { records: 4 }, start: "all" });
  await subscription.ready;
  await Promise.all(numbers(100).map((value) => client.publish("a", value)));
  const seen: number[] = [];
  for await (const record of subscription) {
    seen.push(record.json<number>());
    if (seen.length === 100) break;
  }
  expect(seen).toEqual(numbers(100));
});

test("history pages forwards and backwards over all that is held", async () => {
  await open();
  const client = place.connect();
  await Promise.all(numbers(25).map((value) => client.publish("h.x", value)));
  const forward: number[] = [];
  for await (const page of client.history("h.*", { limit: 10, from: "all" }))
    forward.push(...page.records.map((record) => record.json<number>()));
  const backward: number[] = [];
  for await (const page of client.history("h.*", { limit: 10, backward: true }))
    backward.push(...page.records.map((record) => record.json<number>()));
  expect(forward).toEqual(numbers(25));
  expect(backward).toEqual(numbers(25).reverse());
});
