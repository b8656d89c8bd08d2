/**
 * A gateway is killed, and its clients come to another one on the same log: how long until each has its session back,
 * one after the other and all together.
 * @module
 */
import type { SessionId } from "../../src/protocol/ids.ts";
import { WeirPeer } from "../dialects/weir-peer.ts";
import { Distribution } from "../load/distribution.ts";
import { inGroups } from "../load/job.ts";
import type { JetStreamStage } from "./stage.ts";

type Held = { readonly session: SessionId; readonly resumeKey: string };

const atOnce = 100;

function peerOf(port: number): { readonly peer: WeirPeer; readonly subscribed: Promise<void> } {
  const subscribed = Promise.withResolvers<void>();
  // A gateway that is killed closes its sockets.
  const options = { port, onProgress: () => undefined, onFailure: () => undefined, sharedFrames: undefined };
  const peer = new WeirPeer(options, (frame) => {
    if (frame.type === "subscribed") subscribed.resolve();
  });
  return { peer, subscribed: subscribed.promise };
}

export async function takeover(stage: JetStreamStage, clients: number, one: number) {
  const [first, second] = [await stage.gateway(), await stage.gateway()];
  const held = await inGroups(clients + one, atOnce, async (i): Promise<Held> => {
    const { peer, subscribed } = peerOf(first.port);
    const { session, resumeKey } = await peer.connect({});
    peer.send({ type: "subscribe", ref: 1, filter: `bench.takeover.${i % 100}`, qos: 1 });
    await subscribed;
    return { session, resumeKey };
  });
  await first.process.stop("SIGKILL");
  const resume = async ({ session, resumeKey }: Held): Promise<number> => {
    const startedAt = performance.now();
    const { peer, subscribed } = peerOf(second.port);
    const { outcome } = await peer.connect({ session, resumeKey });
    if (outcome !== "resumed") throw new Error(`Session ${session} was ${outcome}`);
    await subscribed;
    return performance.now() - startedAt;
  };
  const single = new Distribution();
  for (const session of held.slice(0, one)) single.add(await resume(session));
  const together = new Distribution();
  const startedAt = performance.now();
  for (const ms of await Promise.all(held.slice(one).map(resume))) together.add(ms);
  const allMs = performance.now() - startedAt;
  const [p50, p99] = single.percentiles(50, 99);
  const [togetherP50, togetherP99] = together.percentiles(50, 99);
  return { one, p50, p99, clients, togetherP50, togetherP99, allMs };
}
