/**
 * How fast one process publishes to a stream: the library's `js.publish`, and the publisher that the log uses. The same
 * over NATS' own WebSocket listener with a consumer that reads it back, as a browser would without a gateway.
 * @module
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection, wsconnect } from "@nats-io/transport-node";
import { Publisher, publisherDefaults } from "../../src/runtime/log/jetstream/publisher.ts";
import { systemClock } from "../../src/runtime/system.ts";
import { CpuWindow } from "../proc-stat.ts";
import type { JetStreamStage } from "./stage.ts";

const payload = new Uint8Array(200);
const inFlight = 2_000;
export const webSocketLines = (port: number): string => `websocket { host: 127.0.0.1, port: ${port}, no_tls: true }\n`;

export type Rate = { readonly perSecond: number; readonly clientUs: number; readonly storeUs: number };

async function stream(nc: NatsConnection, name: string): Promise<void> {
  await (await jetstreamManager(nc)).streams.add({ name, subjects: [`${name}.>`], allow_direct: true });
}

/** Keeps so many under way for so long; `publish` resolves when one is stored. */
async function rate(stage: JetStreamStage, seconds: number, publish: (n: number) => Promise<unknown>): Promise<Rate> {
  const cpu = new CpuWindow({ serverPid: process.pid, storePids: stage.pids });
  const endAt = performance.now() + seconds * 1_000;
  let [sent, done] = [0, 0];
  const one = async (): Promise<void> => {
    while (performance.now() < endAt) {
      await publish(sent++);
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  const { seconds: took, serverUs, storeUs } = cpu.read();
  return { perSecond: done / took, clientUs: serverUs / done, storeUs: storeUs / done };
}

export async function libraryRate(stage: JetStreamStage, seconds: number): Promise<Rate> {
  const nc = await connect({ servers: stage.store.url, noAsyncTraces: true });
  await stream(nc, "LIBRARY");
  const js = jetstream(nc);
  const result = await rate(stage, seconds, (n) => js.publish("LIBRARY.t", payload, { msgID: `m/${n}` }));
  await nc.close();
  return result;
}

export async function ownRate(stage: JetStreamStage, seconds: number): Promise<Rate> {
  const nc = await connect({ servers: stage.store.url, noAsyncTraces: true });
  await stream(nc, "OWN");
  const publisher = new Publisher(nc, systemClock(), publisherDefaults);
  const result = await rate(stage, seconds, (n) =>
    publisher.publish([{ subject: "OWN.t", fields: { "Nats-Msg-Id": `m/${n}` }, payload }]),
  );
  publisher.close();
  await nc.close();
  return result;
}

/** A client that publishes through the WebSocket listener, and one that reads with an ordered consumer. */
export async function webSocketRate(stage: JetStreamStage, port: number, seconds: number): Promise<Rate> {
  const servers = `ws://127.0.0.1:${port}`;
  const [writer, reader] = [await wsconnect({ servers, noAsyncTraces: true }), await wsconnect({ servers })];
  await stream(writer, "BROWSER");
  const js = jetstream(writer);
  let received = 0;
  const consumer = await jetstream(reader).consumers.get("BROWSER");
  const messages = await consumer.consume({ callback: () => void received++, max_messages: 5_000 });
  const result = await rate(stage, seconds, (n) => js.publish("BROWSER.t", payload, { msgID: `m/${n}` }));
  await messages.close();
  await Promise.all([writer.close(), reader.close()]);
  const share = received / (result.perSecond * seconds);
  return { ...result, perSecond: result.perSecond * Math.min(1, share) };
}
