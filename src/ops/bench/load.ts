/**
 * A quick load on a gateway: publishers and subscribers in this process, every record counted and timed.
 *
 * Client and gateway share the machine, so this tells what a setup can do; bench/ compares with rivals.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../client/mod.ts";
import type { Qos } from "../../protocol/frame.ts";
import { Tally, type Totals } from "../demo/tally.ts";
import { Histogram } from "./histogram.ts";

export type LoadOptions = {
  readonly publishers: number;
  readonly subscribers: number;
  readonly seconds: number;
  /** Of one payload; at least the numbers that every record carries. */
  readonly payloadBytes: number;
  readonly qos: Qos;
  /** Not acknowledged at once, per publisher. */
  readonly inFlight: number;
  /** Distinguishes runs on the same gateway. */
  readonly run: string;
};

export type LoadReport = Totals & {
  readonly seconds: number;
  readonly ackMs: Histogram;
  readonly deliverMs: Histogram;
};

/** Number and time of publishing, eight bytes each. */
export const payloadBytesMin = 16;
const settleWithinMs = 30_000;
const pollMs = 10;

export async function runLoad(open: (agent: string) => Client, options: LoadOptions): Promise<LoadReport> {
  const tally = new Tally(options.subscribers);
  const ackMs = new Histogram();
  const deliverMs = new Histogram();
  const clients: Client[] = [];
  const openNext = (agent: string): Client => {
    const client = open(agent);
    clients.push(client);
    return client;
  };
  try {
    for (let index = 0; index < options.subscribers; index++) {
      const filter = `bench.${options.run}.>`;
      const subscription = openNext(`bench subscriber ${index}`).subscribe(filter, { qos: options.qos }, (record) => {
        const view = new DataView(record.payload.buffer, record.payload.byteOffset);
        deliverMs.add(performance.now() - view.getFloat64(8));
        tally.deliver(index, record.topic, view.getFloat64(0));
      });
      await subscription.ready;
    }
    const startedAt = performance.now();
    const until = startedAt + options.seconds * 1_000;
    const publishing = Array.from({ length: options.publishers }, (_, index) =>
      publish(openNext(`bench publisher ${index}`), {
        topic: `bench.${options.run}.p${index}`,
        until,
        tally,
        ackMs,
        options,
      }),
    );
    await Promise.all(publishing);
    const giveUpAt = performance.now() + settleWithinMs;
    while (options.qos > 0 && tally.totals().missing > 0 && performance.now() < giveUpAt) await sleep(pollMs);
    return { ...tally.totals(), seconds: (performance.now() - startedAt) / 1_000, ackMs, deliverMs };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

type Publishing = {
  readonly topic: string;
  readonly until: number;
  readonly tally: Tally;
  readonly ackMs: Histogram;
  readonly options: LoadOptions;
};

/** So many chains of "publish, wait for the acknowledgement" side by side: the number in flight never grows. */
async function publish(client: Client, load: Publishing): Promise<void> {
  const { topic, tally, ackMs, options } = load;
  const chain = async (): Promise<void> => {
    while (performance.now() < load.until) {
      const payload = new Uint8Array(options.payloadBytes);
      const view = new DataView(payload.buffer);
      const sentAt = performance.now();
      view.setFloat64(0, tally.publish(topic));
      view.setFloat64(8, sentAt);
      await client.publish(topic, payload);
      tally.acked(topic);
      ackMs.add(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: options.inFlight }, chain));
}
