/**
 * Speaks MQTT 3.1.1 over WebSocket, by hand, at the QoS that the scenario asks for: at 2 each record takes
 * the full PUBLISH, PUBREC, PUBREL, PUBCOMP on both sides. Packets of one tick share a WebSocket frame.
 * @module
 */
import { LightSocket } from "../load/light-socket.ts";
import { payloadIndex, payloadPool, payloadSentAt, writePayload } from "../load/payload.ts";
import type { Batch, Dialect, DialectOptions, Publisher, SubscribeOptions, Subscriber } from "./dialect.ts";
import {
  answerPacket,
  connectPacket,
  PacketReader,
  packet,
  publishPacket,
  type Received,
  readId,
  readPublish,
  subscribePacket,
} from "./mqtt-packets.ts";

/** Must not pass `max_inflight_messages` of the broker's configuration. */
const inFlightMax = 2_000;
const idMax = 65_535;

let clients = 0;

/** One connection: packets of a tick are collected into one WebSocket frame. */
class Peer {
  readonly clientId: string;
  readonly #options: DialectOptions;
  readonly #onPacket: (received: Received) => void;
  #socket: LightSocket | undefined;
  #out: Uint8Array[] = [];

  constructor(options: DialectOptions, onPacket: (received: Received) => void) {
    clients += 1;
    this.clientId = `bench-${clients}`;
    this.#options = options;
    this.#onPacket = onPacket;
  }

  async connect(clean: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const reader = new PacketReader();
    this.#out = [];
    this.#socket = await LightSocket.open(this.#options.port, "/", "mqtt", {
      message: (data) =>
        reader.read(data, (received) => (received.kind === packet.connack ? resolve() : this.#onPacket(received))),
      settled: () => this.#options.onProgress(),
      close: () => this.#options.onFailure("Broker closed a connection"),
    });
    this.send(connectPacket(this.clientId, clean));
    await promise;
  }

  send(bytes: Uint8Array): void {
    this.#out.push(bytes);
    if (this.#out.length > 1) return;
    queueMicrotask(() => {
      if (this.#out.length > 0) this.#socket?.send(Buffer.concat(this.#out));
      this.#out = [];
    });
  }

  drop(): void {
    this.#socket?.terminate();
  }
}

export function mqttDialect(options: DialectOptions): Dialect {
  const pool = payloadPool(1);
  let qos: number = 2;

  async function openPublisher(): Promise<Publisher> {
    let settled = 0;
    let outstanding = 0;
    let id = 0;
    const done = (): void => {
      settled += 1;
      outstanding -= 1;
    };
    const peer = new Peer(options, ({ kind, body }) => {
      if (kind === packet.pubrec) peer.send(answerPacket(packet.pubrel, readId(body)));
      else if (kind === packet.pubcomp || kind === packet.puback) done();
    });
    await peer.connect(true);
    return {
      publish(topic: string, batch: Batch) {
        const payload = pool[0] as Uint8Array;
        for (let i = 0; i < batch.count; i += 1) {
          writePayload(payload, batch.first + i, batch.sentAt);
          id = (id % idMax) + 1;
          peer.send(publishPacket(id, topic, qos, payload));
          outstanding += 1;
          if (qos === 0) done();
        }
      },
      settled: () => settled,
      room: () => inFlightMax - outstanding,
    };
  }

  async function openSubscriber(wanted: SubscribeOptions): Promise<Subscriber> {
    const { promise: subscribed, resolve } = Promise.withResolvers<void>();
    /** QoS 2: ids received and not yet released; a second PUBLISH with one of them is a copy. */
    const held = new Set<number>();
    let skipped = 0;
    const take = (received: Received): void => {
      const { qos: level, id, payload } = readPublish(received);
      if (level === 2 && held.has(id)) skipped += 1;
      else wanted.onRecord(payloadIndex(payload), payloadSentAt(payload));
      if (level === 2) held.add(id);
      if (level > 0) peer.send(answerPacket(level === 2 ? packet.pubrec : packet.puback, id));
    };
    const peer = new Peer(options, (received) => {
      if (received.kind === packet.publish) take(received);
      else if (received.kind === packet.suback) resolve();
      else if (received.kind === packet.pubrel) {
        held.delete(readId(received.body));
        peer.send(answerPacket(packet.pubcomp, readId(received.body)));
      }
    });
    qos = wanted.qos;
    await peer.connect(false);
    peer.send(subscribePacket(1, wanted.topic, wanted.qos));
    await subscribed;
    return { drop: () => peer.drop(), resume: () => peer.connect(false), skipped: () => skipped };
  }

  return {
    openPublisher,
    openSubscriber,
    async openIdle() {
      await new Peer(options, () => {}).connect(true);
    },
    describe: () => `QoS ${qos}, in memory`,
  };
}
