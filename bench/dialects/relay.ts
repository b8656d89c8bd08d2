/**
 * Speaks to the bare relays (raw `Bun.serve`, `ws`): the least a server can do, with no durability, no
 * acknowledgement by receivers and no resume. Frames: servers/relay-frames.mjs.
 * @module
 */
import { LightSocket } from "../load/light-socket.ts";
import { payloadBytes, payloadIndex, payloadPool, payloadSentAt, writePayload } from "../load/payload.ts";
import { relayFrames } from "../servers/relay-frames.mjs";
import type { Batch, Dialect, DialectOptions, Publisher, SubscribeOptions, Subscriber } from "./dialect.ts";

const encoder = new TextEncoder();

function withTopic(kind: number, topic: string, bodyBytes: number): Buffer {
  const name = encoder.encode(topic);
  const frame = Buffer.alloc(2 + name.byteLength + bodyBytes);
  frame[0] = kind;
  frame[1] = name.byteLength;
  frame.set(name, 2);
  return frame;
}

export function relayDialect(options: DialectOptions): Dialect {
  const pool = payloadPool(1);
  const close = (): void => options.onFailure("Relay closed a connection");

  async function openPublisher(): Promise<Publisher> {
    let settled = 0;
    const socket = await LightSocket.open(options.port, "/", "", {
      message(data) {
        if (data[0] === relayFrames.published) settled += (data[1] as number) | ((data[2] as number) << 8);
      },
      settled: options.onProgress,
      close,
    });
    return {
      publish(topic: string, batch: Batch) {
        const kind = batch.apart ? relayFrames.publishApart : relayFrames.publish;
        const frame = withTopic(kind, topic, batch.count * payloadBytes);
        const payload = pool[0] as Uint8Array;
        let at = frame.byteLength - batch.count * payloadBytes;
        for (let i = 0; i < batch.count; i += 1, at += payloadBytes) {
          writePayload(payload, batch.first + i, batch.sentAt);
          frame.set(payload, at);
        }
        socket.send(frame);
      },
      settled: () => settled,
      room: () => Number.POSITIVE_INFINITY,
    };
  }

  async function subscribe({ topic, onRecord }: SubscribeOptions): Promise<LightSocket> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = await LightSocket.open(options.port, "/", "", {
      message(data) {
        if (data[0] === relayFrames.subscribed) return resolve();
        for (let at = 1; at < data.byteLength; at += payloadBytes) {
          const payload = data.subarray(at, at + payloadBytes);
          onRecord(payloadIndex(payload), payloadSentAt(payload));
        }
      },
      settled: options.onProgress,
      close,
    });
    socket.send(withTopic(relayFrames.subscribe, topic, 0));
    await promise;
    return socket;
  }

  async function openSubscriber(wanted: SubscribeOptions): Promise<Subscriber> {
    let socket = await subscribe(wanted);
    return {
      drop: () => socket.terminate(),
      async resume() {
        socket = await subscribe(wanted);
      },
      skipped: () => 0,
    };
  }

  return {
    openPublisher,
    openSubscriber,
    async openIdle() {
      await LightSocket.open(options.port, "/", "", { message() {}, close });
    },
    describe: () => "not durable",
  };
}
