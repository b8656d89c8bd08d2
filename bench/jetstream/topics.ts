/**
 * What the number of topics costs: publish rate, and memory of the nats-server.
 * @module
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Publisher, publisherDefaults } from "../../src/runtime/log/jetstream/publisher.ts";
import { systemClock } from "../../src/runtime/system.ts";
import { memory } from "../proc-stat.ts";
import type { JetStreamStage } from "./stage.ts";

const payload = new Uint8Array(200);
const records = 200_000;
const inFlight = 2_000;

export async function topicsCost(stage: JetStreamStage, topics: number) {
  const nc = await connect({ servers: stage.store.url, noAsyncTraces: true });
  const name = `T${topics}`;
  await (await jetstreamManager(nc)).streams.add({ name, subjects: [`${name}.>`], allow_direct: true });
  const publisher = new Publisher(nc, systemClock(), publisherDefaults);
  const before = memory(stage.pids[0] as number).rssBytes;
  const startedAt = performance.now();
  let sent = 0;
  const one = async (): Promise<void> => {
    while (sent < records) {
      const n = sent++;
      const fields = { "Nats-Msg-Id": `${topics}/${n}` };
      await publisher.publish([{ subject: `${name}.a.${n % topics}`, fields, payload }]);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  const perSecond = (records * 1_000) / (performance.now() - startedAt);
  const grownMb = (memory(stage.pids[0] as number).rssBytes - before) / 1_048_576;
  publisher.close();
  await nc.close();
  return { topics, perSecond, grownMb };
}
