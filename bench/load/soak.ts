/**
 * Mixed load for long: several topics, subscribers of each QoS, batches and single records, one connection
 * lost and resumed every second. Memory is sampled every 5 s; flat is what is wanted.
 * @module
 */

import type { Publisher, Subscriber } from "../dialects/dialect.ts";
import { cpuUs, memory } from "../proc-stat.ts";
import { round, slope } from "./distribution.ts";
import { inGroups, type LoadRun, type Measures, SequenceCheck, until } from "./job.ts";

const sampleMs = 5_000;
const tickMs = 5;
const dropMs = 1_000;
/** The first part of the run is growth towards the steady state, not a leak. */
const settlingPart = 0.25;

type Follower = {
  readonly subscriber: Subscriber;
  readonly check: SequenceCheck;
  readonly topic: number;
  readonly qos: number;
};
type Source = { readonly publisher: Publisher; sent: number };

export async function soak(run: LoadRun): Promise<Measures> {
  const topics = run.number("topics");
  const followers = await inGroups(topics * run.number("subscribersPerTopic"), 10, (i) => follow(run, i % topics, i));
  const sources: Source[] = [];
  for (let t = 0; t < topics; t += 1) sources.push({ publisher: await run.dialect.openPublisher(), sent: 0 });

  const perTick = Math.ceil((run.number("perSecond") * tickMs) / 1000 / topics);
  const publishing = setInterval(() => {
    for (const [t, source] of sources.entries()) publishTick(source, t, perTick);
  }, tickMs);
  let resumes = 0;
  let failedResumes = 0;
  const dropping = setInterval(() => {
    // QoS 0 promises nothing across a lost connection.
    const lasting = followers.filter((follower) => follower.qos > 0);
    const { subscriber } = lasting[resumes % lasting.length] as Follower;
    subscriber.drop();
    resumes += 1;
    subscriber.resume().catch(() => {
      failedResumes += 1;
    });
  }, dropMs);

  const cpuBefore = cpuUs(run.job.serverPid);
  const samples = await sampleMemory(run);
  const serverUs = cpuUs(run.job.serverPid) - cpuBefore;
  clearInterval(publishing);
  clearInterval(dropping);
  const lasting = followers.filter((follower) => follower.qos > 0);
  await until(() => lasting.every((follower) => follower.check.next === sources[follower.topic]?.sent), 30_000);

  const sent = sources.reduce((sum, source) => sum + source.sent, 0);
  const missing = lasting.reduce((sum, { check, topic }) => sum + (sources[topic] as Source).sent - check.received, 0);
  return {
    ...growth(samples),
    recordsPublished: sent,
    deliveries: followers.reduce((sum, { check }) => sum + check.received, 0),
    resumes,
    failedResumes,
    lost: missing,
    copiesQos2: followers.filter(({ qos }) => qos === 2).reduce((sum, { check }) => sum + check.copies, 0),
    serverBusyPercent: round(serverUs / run.job.seconds / 10_000),
  };
}

async function follow(run: LoadRun, topic: number, i: number): Promise<Follower> {
  const qos = ([2, 1, 2, 0] as const)[Math.floor(i / run.number("topics")) % 4] ?? 2;
  const check = new SequenceCheck();
  const subscriber = await run.dialect.openSubscriber({
    topic: `bench.soak.${topic}`,
    qos,
    onRecord: (index) => check.take(index),
  });
  return { subscriber, check, topic, qos };
}

/** Even topics send a tick's records in one batch, odd ones each in a frame. */
function publishTick(source: Source, t: number, count: number): void {
  if (source.publisher.room() < count) return;
  const topic = `bench.soak.${t}`;
  const step = t % 2 === 0 ? count : 1;
  for (let i = 0; i < count; i += step, source.sent += step) {
    source.publisher.publish(topic, { first: source.sent, count: step, sentAt: 0, apart: false });
  }
}

type Sample = { readonly minute: number; readonly rssMb: number; readonly anonMb: number };

async function sampleMemory(run: LoadRun): Promise<Sample[]> {
  const samples: Sample[] = [];
  const began = performance.now();
  const end = began + run.job.seconds * 1000;
  while (performance.now() < end) {
    await Bun.sleep(Math.min(sampleMs, end - performance.now()));
    const { rssBytes, anonBytes } = memory(run.job.serverPid);
    samples.push({
      minute: (performance.now() - began) / 60_000,
      rssMb: rssBytes / 1_048_576,
      anonMb: anonBytes / 1_048_576,
    });
  }
  return samples;
}

function growth(samples: readonly Sample[]): Measures {
  const steady = samples.slice(Math.floor(samples.length * settlingPart));
  const first = steady[0] as Sample;
  const last = steady.at(-1) as Sample;
  return {
    rssStartMb: round(first.rssMb, 1),
    rssEndMb: round(last.rssMb, 1),
    anonStartMb: round(first.anonMb, 1),
    anonEndMb: round(last.anonMb, 1),
    rssMbPerMinute: round(slope(steady.map(({ minute, rssMb }) => [minute, rssMb])), 2),
    anonMbPerMinute: round(slope(steady.map(({ minute, anonMb }) => [minute, anonMb])), 2),
  };
}
