/**
 * Many sessions with several topics each lose their connections, a service publishes meanwhile, and all come back at
 * once: how long after its own reconnect each of them has everything that it missed, within and beyond what the
 * gateway holds of recent records.
 * @module
 */
import { connect } from "@nats-io/transport-node";
import type { SessionId } from "../../src/protocol/ids.ts";
import { Publisher, publisherDefaults } from "../../src/runtime/log/jetstream/publisher.ts";
import { systemClock } from "../../src/runtime/system.ts";
import { WeirPeer } from "../dialects/weir-peer.ts";
import { Distribution } from "../load/distribution.ts";
import { inGroups, until } from "../load/job.ts";
import { CpuWindow } from "../proc-stat.ts";
import type { JetStreamStage } from "./stage.ts";

export type Returning = {
  readonly sessions: number;
  readonly topicsEach: number;
  readonly topics: number;
  /** Published while they are away, over all topics. */
  readonly missed: number;
};

type Session = {
  readonly number: number;
  id: SessionId;
  resumeKey: string;
  peer: WeirPeer | undefined;
  subscribed: number;
  received: number;
  backAt: number;
  wholeAt: number;
};

const atOnce = 100;
/** Sessions that start to connect before the generator's loop may handle answers: its burst, not a limit of rate. */
const burst = 250;
const inFlight = 2_000;
const awayMs = 2_000;
const waitMsMax = 180_000;
const lookMs = 100;
const payload = new Uint8Array(200);

export async function returning(stage: JetStreamStage, load: Returning) {
  const { port, process } = await stage.gateway();
  const sessions = await inGroups(load.sessions, atOnce, (i) => open(port, i, load));
  for (const { peer } of sessions) peer?.drop();
  await Bun.sleep(awayMs);
  await followed(port, await publish(stage, load));
  const cpu = new CpuWindow({ serverPid: process.pid, storePids: stage.pids });
  const missedEach = (load.missed / load.topics) * load.topicsEach;
  const startedAt = performance.now();
  for (const [i, session] of sessions.entries()) {
    void resume(port, session, missedEach);
    if (i % burst === burst - 1) await new Promise((next) => setImmediate(next));
  }
  await until(() => sessions.every(({ wholeAt }) => wholeAt > 0), waitMsMax);
  const { serverUs, storeUs } = cpu.read();
  const replay = new Distribution();
  for (const { wholeAt, backAt } of sessions) if (wholeAt > 0) replay.add(wholeAt - backAt);
  const [p50, p99] = replay.percentiles(50, 99);
  const deliveries = sessions.reduce((sum, { received }) => sum + received, 0);
  return {
    ...load,
    missedEach,
    p50,
    p99,
    allMs: Math.max(...sessions.map(({ wholeAt }) => wholeAt)) - startedAt,
    whole: replay.count,
    deliveries,
    serverUs,
    storeUs,
  };
}

function topicOf(n: number): string {
  return `bench.storm.${n}`;
}

async function open(port: number, number: number, { topicsEach, topics }: Returning): Promise<Session> {
  const idle = { subscribed: 0, received: 0, backAt: 0, wholeAt: 0 };
  const session: Session = { number, id: "" as SessionId, resumeKey: "", peer: undefined, ...idle };
  const all = Promise.withResolvers<void>();
  const peer = peerOf(port, (frame) => {
    if (frame.type === "subscribed" && ++session.subscribed === topicsEach) all.resolve();
  });
  const welcome = await peer.connect({});
  for (let k = 0; k < topicsEach; k++)
    peer.send({ type: "subscribe", ref: 1 + k, filter: topicOf((number * topicsEach + k) % topics), qos: 1 });
  await all.promise;
  return Object.assign(session, { id: welcome.session, resumeKey: welcome.resumeKey, peer });
}

async function resume(port: number, session: Session, missedEach: number): Promise<void> {
  session.backAt = performance.now();
  const peer = peerOf(port, (frame) => {
    if (frame.type !== "deliver") return;
    session.received += frame.records.length;
    if (session.received >= missedEach && session.wholeAt === 0) session.wholeAt = performance.now();
  });
  const { outcome } = await peer.connect({ session: session.id, resumeKey: session.resumeKey });
  if (outcome !== "resumed") throw new Error(`Session ${session.id} was ${outcome}`);
}

function peerOf(port: number, onFrame: ConstructorParameters<typeof WeirPeer>[1]): WeirPeer {
  const options = { port, onProgress: () => undefined, onFailure: () => undefined };
  return new WeirPeer({ ...options, sharedFrames: undefined }, onFrame);
}

/** The gateway has seen everything: what is measured is how it is given to those who come back. */
async function followed(port: number, seq: number): Promise<void> {
  for (;;) {
    const health = (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as { log: { lastSeq: number } };
    if (health.log.lastSeq >= seq) return;
    await Bun.sleep(lookMs);
  }
}

/** As a service does, on NATS; answers the last seq. */
async function publish(stage: JetStreamStage, { missed, topics }: Returning): Promise<number> {
  const nc = await connect({ servers: stage.store.url, noAsyncTraces: true });
  const publisher = new Publisher(nc, systemClock(), publisherDefaults);
  let sent = 0;
  let last = 0;
  const one = async (): Promise<void> => {
    while (sent < missed) {
      const subject = `weir.t.${topicOf(sent++ % topics)}`;
      const result = await publisher.publish([{ subject, fields: {}, payload }]);
      if (!result.ok) throw new Error(`Not stored: ${result.message}`);
      last = Math.max(last, result.seq);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  publisher.close();
  await nc.close();
  return last;
}
