/**
 * Goes through the real SDK as an application does: publishes of a tick travel together because the SDK makes
 * it so. For throughput and latency; cutting connections is the raw dialect's business.
 * @module
 */
import { type Client, connect } from "../../src/client/mod.ts";
import { payloadBytes, payloadIndex, payloadSentAt, writePayload } from "../load/payload.ts";
import type { Batch, Dialect, DialectOptions, Publisher, SubscribeOptions, Subscriber } from "./dialect.ts";

export function weirSdkDialect(options: DialectOptions): Dialect {
  let tier = "unknown";

  async function open(): Promise<Client> {
    const client = connect(`ws://127.0.0.1:${options.port}/`, { agent: "weir-bench" });
    client.on("error", (error) => options.onFailure(`SDK reported ${error.message}`));
    await client.connected();
    tier = client.session?.tier ?? tier;
    return client;
  }

  async function openPublisher(): Promise<Publisher> {
    const client = await open();
    let settled = 0;
    const done = (): void => {
      settled += 1;
      options.onProgress();
    };
    const failed = (error: unknown): void => options.onFailure(`SDK refused a publish: ${String(error)}`);
    return {
      publish(topic: string, { first, count, sentAt }: Batch) {
        for (let i = 0; i < count; i += 1) {
          // The SDK keeps it until it is settled, so each record has its own.
          const payload = new Uint8Array(payloadBytes);
          writePayload(payload, first + i, sentAt);
          client.publish(topic, payload).then(done, failed);
        }
      },
      settled: () => settled,
      room: () => Number.POSITIVE_INFINITY,
    };
  }

  async function openSubscriber({ topic, qos, onRecord }: SubscribeOptions): Promise<Subscriber> {
    const client = await open();
    const subscription = client.subscribe(topic, { qos }, ({ payload }) => {
      onRecord(payloadIndex(payload), payloadSentAt(payload));
      options.onProgress();
    });
    await subscription.ready;
    const unable = (): never => {
      throw new Error("The SDK reconnects by its own clock: run this scenario with the target weir");
    };
    return { drop: unable, resume: unable, skipped: () => 0 };
  }

  return {
    openPublisher,
    openSubscriber,
    async openIdle() {
      await open();
    },
    describe: () => `tier ${tier}`,
  };
}
