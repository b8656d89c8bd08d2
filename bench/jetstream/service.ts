/**
 * A service publishes by plain NATS at a steady rate, a client of the gateway receives: how late.
 * @module
 */
import { connect } from "@nats-io/transport-node";
import { WeirPeer } from "../dialects/weir-peer.ts";
import { Distribution } from "../load/distribution.ts";
import type { JetStreamStage } from "./stage.ts";

const tickMs = 2;

export async function serviceLatency(stage: JetStreamStage, perSecond: number, seconds: number) {
  const gateway = await stage.gateway();
  const samples = new Distribution();
  let from = Number.POSITIVE_INFINITY;
  const fail = (reason: string): never => {
    throw new Error(reason);
  };
  const subscribed = Promise.withResolvers<void>();
  const options = { port: gateway.port, onProgress: () => undefined, onFailure: fail, sharedFrames: undefined };
  const peer = new WeirPeer(options, (frame) => {
    if (frame.type === "subscribed") subscribed.resolve();
    if (frame.type !== "deliver") return;
    const now = performance.now();
    for (const { payload } of frame.records) {
      const sentAt = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
      if (sentAt >= from) samples.add(now - sentAt);
    }
  });
  await peer.connect({ resumeWindowMs: 0 });
  peer.send({ type: "subscribe", ref: 1, filter: "bench.service", qos: 0 });
  await subscribed.promise;
  const nc = await connect({ servers: stage.store.url });
  const startAt = performance.now();
  from = startAt + 1_000;
  let sent = 0;
  while (performance.now() < startAt + seconds * 1_000) {
    const due = Math.floor(((performance.now() - startAt) * perSecond) / 1_000);
    for (; sent < due; sent++) {
      const payload = new Uint8Array(200);
      new DataView(payload.buffer).setFloat64(0, performance.now());
      nc.publish("weir.t.bench.service", payload);
    }
    await Bun.sleep(tickMs);
  }
  await Bun.sleep(500);
  await nc.close();
  const [p50, p99, max] = samples.percentiles(50, 99, 100);
  return { perSecond, received: samples.count, p50, p99, max };
}
