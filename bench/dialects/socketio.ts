/**
 * Speaks Socket.IO (Engine.IO 4, protocol 5) by hand, which costs the generator less than its client does.
 * Resumes by connection state recovery: private id and last offset go with CONNECT.
 * @module
 */
import { LightSocket } from "../load/light-socket.ts";
import { readText, textPayload } from "../load/payload.ts";
import type { Batch, Dialect, DialectOptions, Publisher, SubscribeOptions, Subscriber } from "./dialect.ts";

const path = "/socket.io/?EIO=4&transport=websocket";

type Peer = { readonly socket: LightSocket; readonly pid: string };
type PeerEvents = {
  event(records: readonly string[], offset: string | undefined): void;
  acknowledged(id: number): void;
};

async function connect(options: DialectOptions, events: PeerEvents, recovery: object | undefined): Promise<Peer> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = await LightSocket.open(options.port, path, "", {
    message(data, peer) {
      const packet = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
      if (packet === "2") peer.send("3");
      else if (packet.startsWith("0")) peer.send(recovery === undefined ? "40" : `40${JSON.stringify(recovery)}`);
      else if (packet.startsWith("40")) resolve((JSON.parse(packet.slice(2)) as { pid: string }).pid);
      else if (packet.startsWith("42")) {
        const [, records, offset] = JSON.parse(packet.slice(2)) as [string, string[], string | undefined];
        events.event(records, offset);
      } else if (packet.startsWith("43")) events.acknowledged(Number.parseInt(packet.slice(2), 10));
      else options.onFailure(`Socket.IO sent an unexpected packet ${packet.slice(0, 60)}`);
    },
    settled: options.onProgress,
    close: () => options.onFailure("Socket.IO closed a connection"),
  });
  return { socket, pid: await promise };
}

export function socketioDialect(options: DialectOptions): Dialect {
  async function openPublisher(): Promise<Publisher> {
    let settled = 0;
    let id = 0;
    const counts = new Map<number, number>();
    const peer = await connect(
      options,
      {
        event() {},
        acknowledged(answered) {
          settled += counts.get(answered) ?? 0;
          counts.delete(answered);
        },
      },
      undefined,
    );
    return {
      publish(topic: string, batch: Batch) {
        counts.set(id, batch.count);
        let records = "";
        for (let i = 0; i < batch.count; i += 1) {
          records += `${i === 0 ? "" : ","}"${textPayload(batch.first + i, batch.sentAt)}"`;
        }
        peer.socket.send(`42${id}["publish","${topic}",[${records}],${batch.apart}]`);
        id += 1;
      },
      settled: () => settled,
      room: () => Number.POSITIVE_INFINITY,
    };
  }

  async function openSubscriber({ topic, onRecord }: SubscribeOptions): Promise<Subscriber> {
    let offset: string | undefined;
    const { promise: subscribed, resolve } = Promise.withResolvers<void>();
    const events: PeerEvents = {
      event(records, newer) {
        offset = newer;
        for (const record of records) {
          const { index, sentAt } = readText(record);
          onRecord(index, sentAt);
        }
      },
      acknowledged: () => resolve(),
    };
    let peer = await connect(options, events, undefined);
    peer.socket.send(`420["subscribe","${topic}"]`);
    await subscribed;
    return {
      drop: () => peer.socket.terminate(),
      async resume() {
        peer = await connect(options, events, { pid: peer.pid, offset });
      },
      skipped: () => 0,
    };
  }

  return {
    openPublisher,
    openSubscriber,
    async openIdle() {
      await connect(options, { event() {}, acknowledged() {} }, undefined);
    },
    describe: () => "not durable",
  };
}
