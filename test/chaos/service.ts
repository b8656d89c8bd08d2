/**
 * A service that knows NATS and nothing of Weir: it publishes to subjects, and reads the stream with a consumer of the
 * client library.
 * @module
 */
import { type ConsumerMessages, type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { normalLane } from "../../src/protocol/lane.ts";
import { type Evidence, keyOf, payloadFor, type SubscriberFact } from "../sim/evidence.ts";

const topic = "t.service";
const prefix = "weir.t.";
const askMs = 3_000;

export class Service {
  readonly #nc: NatsConnection;
  readonly #js: JetStreamClient;
  readonly #evidence: Evidence;
  #messages: ConsumerMessages | undefined;
  #publishing: Promise<void> | undefined;
  #running = true;

  private constructor(nc: NatsConnection, evidence: Evidence) {
    this.#nc = nc;
    this.#js = jetstream(nc, { timeout: askMs });
    this.#evidence = evidence;
  }

  static async start(servers: readonly string[], evidence: Evidence, perSecond: number): Promise<Service> {
    const nc = await connect({ servers: [...servers], maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    const service = new Service(nc, evidence);
    await service.#read();
    service.#publishing = service.#publish(1_000 / perSecond);
    return service;
  }

  /** Nothing more is published; comes back when what was is answered. */
  async settle(): Promise<void> {
    this.#running = false;
    await this.#publishing;
  }

  async close(): Promise<void> {
    await this.#messages?.close();
    await this.#nc.close();
  }

  async #publish(periodMs: number): Promise<void> {
    for (let count = 1; this.#running; count++) {
      const key = `service-${count}`;
      const fact = { key, topic, lane: normalLane, outcome: "unknown" as "unknown" | "acknowledged" };
      this.#evidence.publishes.set(key, fact);
      await this.#untilStored(key);
      fact.outcome = "acknowledged";
      await Bun.sleep(periodMs);
    }
  }

  /** The same message id until NATS has it, as docs/services.md tells services. */
  async #untilStored(key: string): Promise<void> {
    for (;;) {
      try {
        await this.#js.publish(prefix + topic, payloadFor(key, 60), { msgID: key });
        return;
      } catch {
        await Bun.sleep(100);
      }
    }
  }

  async #read(): Promise<void> {
    const fact: SubscriberFact = {
      name: "service",
      filter: "t.>",
      qos: 1,
      startsAtLast: false,
      after: 0,
      processed: [],
      refused: new Set(),
      deadLettered: new Set(),
    };
    this.#evidence.subscribers.push(fact);
    const consumer = await this.#js.consumers.get("WEIR", { filter_subjects: [`${prefix}t.>`] });
    this.#messages = await consumer.consume({
      callback: ({ seq, subject, data, headers }) => {
        const lane = Number(headers?.get("Weir-Lane") || normalLane) as 0 | 1 | 2 | 3;
        fact.processed.push({ seq, topic: subject.slice(prefix.length), lane, key: keyOf(data) });
      },
    });
  }
}
