/**
 * Publishers and subscribers over real sockets, writing down what they called, got and processed.
 * @module
 */
import type { Client } from "../../src/client/api.ts";
import { connect } from "../../src/client/mod.ts";
import type { SubscribeOptions } from "../../src/client/options.ts";
import type { ReceivedRecord } from "../../src/client/record.ts";
import { laneNames, lanes, normalLane } from "../../src/protocol/lane.ts";
import {
  type Evidence,
  keyOf,
  type PublishFact,
  payloadFor,
  type StoredRecord,
  type SubscriberFact,
} from "../sim/evidence.ts";

export type SubscriberSpec = {
  readonly name: string;
  readonly filter: string;
  readonly options: SubscribeOptions;
  /** Every so manieth record is refused once. */
  readonly refusesEvery?: number;
  readonly takesMs?: number;
};

export class Crowd {
  readonly evidence: Evidence;
  readonly #url: string | readonly string[];
  readonly #clients: Client[] = [];
  readonly #calls = new Set<Promise<unknown>>();
  #reader: Client | undefined;
  readonly #marks: { readonly fact: SubscriberFact; readonly seq: number }[] = [];
  #running = true;

  constructor(url: string | readonly string[], evidence: Evidence) {
    this.#url = url;
    this.evidence = evidence;
  }

  /** Comes back when the gateway has subscribed it. */
  async subscriber(spec: SubscriberSpec): Promise<void> {
    const { name, filter, options } = spec;
    const fact: SubscriberFact = {
      name,
      filter,
      qos: options.qos ?? 1,
      startsAtLast: false,
      after: 0,
      processed: [],
      refused: new Set(),
      deadLettered: new Set(),
    };
    this.evidence.subscribers.push(fact);
    const client = this.#client(name);
    const subscription = client.subscribe(filter, options, (record) => this.#process(record, spec, fact));
    await subscription.ready;
    if (options.start === "all") return;
    // A live one is owed what the log took after it was ready: after this mark, or after the first that it got.
    const key = `${name}-is-ready`;
    this.evidence.publishes.set(key, { key, topic: "mark", lane: normalLane, outcome: "acknowledged" });
    const { seq } = await client.publish("mark", payloadFor(key, 0));
    this.#marks.push({ fact, seq: seq ?? 0 });
  }

  publisher(name: string, perSecond: number): void {
    const client = this.#client(name);
    let count = 0;
    void this.#every(1_000 / perSecond, () => {
      const lane = count % 9 === 0 ? (lanes[count % 4] ?? normalLane) : normalLane;
      this.#publish(client, { key: `${name}-${++count}`, topic: `t.${count % 4}`, lane, outcome: "unknown" }, 100);
    });
  }

  transactionWriter(name: string, perSecond: number): void {
    const client = this.#client(name);
    let count = 0;
    void this.#every(1_000 / perSecond, () => {
      const id = `${name}-tx${++count}`;
      const fact = { id, keys: [`${id}-a`, `${id}-b`, `${id}-c`], outcome: "unknown" as "unknown" | "committed" };
      this.evidence.transactions.set(id, fact);
      const committed = client.transaction((tx) => {
        for (const [i, key] of fact.keys.entries()) {
          this.evidence.publishes.set(key, {
            key,
            topic: `t.${i}`,
            lane: normalLane,
            transaction: id,
            outcome: "unknown",
          });
          tx.publish(`t.${i}`, payloadFor(key, 50));
        }
      });
      this.#track(
        committed.then(() => {
          fact.outcome = "committed";
        }),
      );
    });
  }

  /** Feeds `input`, and turns each of its records into one of `output`, acknowledged in the same transaction. */
  async pipeline(name: string, perSecond: number): Promise<void> {
    const [input, output] = [`${name}.in`, `${name}.out`];
    this.evidence.pipelines.push({ name, input, output });
    const client = this.#client(name);
    const { ready } = client.subscribe(input, { qos: 2, start: "all", autoAck: false }, async (record) => {
      const key = `out:${keyOf(record.payload)}`;
      this.evidence.publishes.set(key, { key, topic: output, lane: normalLane, outcome: "unknown" });
      await client.transaction((tx) => {
        tx.publish(output, payloadFor(key, 10));
        tx.ack(record);
      });
    });
    await ready;
    const feeder = this.#client(`${name}-feeder`);
    let count = 0;
    void this.#every(1_000 / perSecond, () => {
      const fact = { key: `${name}-${++count}`, topic: input, lane: normalLane };
      this.#publish(feeder, { ...fact, outcome: "unknown" }, 40);
    });
  }

  /** No more calls; comes back when every call has. */
  async settle(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#calls);
    for (const { fact, seq } of this.#marks) fact.after = Math.min(seq, ...fact.processed.map((each) => each.seq - 1));
  }

  async log(): Promise<StoredRecord[]> {
    const records: StoredRecord[] = [];
    this.#reader ??= this.#client("reader");
    for await (const page of this.#reader.history(">", { from: "all", limit: 1_000 })) {
      for (const { seq, topic, lane, payload, time } of page.records)
        records.push({ seq, topic, lane, key: keyOf(payload), time });
    }
    return records;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  #client(agent: string): Client {
    // Of several gateways each client begins with another one.
    const urls = typeof this.#url === "string" ? [this.#url] : this.#url;
    const from = this.#clients.length % urls.length;
    const client = connect([...urls.slice(from), ...urls.slice(0, from)], {
      agent,
      reconnect: { minMs: 20, maxMs: 500 },
    });
    this.#clients.push(client);
    return client;
  }

  #process(
    record: ReceivedRecord,
    { refusesEvery, takesMs }: SubscriberSpec,
    fact: SubscriberFact,
  ): Promise<void> | void {
    const { seq, topic, lane, payload } = record;
    if (refusesEvery !== undefined && seq % refusesEvery === 0 && record.attempt === 1) {
      fact.refused.add(seq);
      throw new Error(`${fact.name} refuses ${seq} once`);
    }
    const finish = (): void => void fact.processed.push({ seq, topic, lane, key: keyOf(payload) });
    return takesMs === undefined ? finish() : Bun.sleep(takesMs).then(finish);
  }

  #publish(client: Client, fact: PublishFact, fillerBytes: number): void {
    this.evidence.publishes.set(fact.key, fact);
    const priority = laneNames[fact.lane];
    const call = client.publish(fact.topic, payloadFor(fact.key, fillerBytes), { priority }).then(() => {
      fact.outcome = "acknowledged";
    });
    this.#track(call);
  }

  #track(call: Promise<unknown>): void {
    this.#calls.add(call);
    void call.then(
      () => this.#calls.delete(call),
      () => undefined,
    );
  }

  async #every(periodMs: number, act: () => void): Promise<void> {
    while (this.#running) {
      act();
      await Bun.sleep(periodMs);
    }
  }
}
