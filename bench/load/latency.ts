/**
 * A steady rate, open loop: time from when a record was due to be sent until the subscriber has it, by one
 * clock. A late tick of the generator counts as latency, so that nothing is omitted.
 * @module
 */
import { CpuWindow } from "../proc-stat.ts";
import { Distribution, round } from "./distribution.ts";
import { type LoadRun, type Measures, SequenceCheck, until } from "./job.ts";
import { warmUpMs } from "./throughput.ts";

const topic = "bench.latency";
const drainMs = 20_000;
const tickMs = 1;

export async function latency(run: LoadRun): Promise<Measures> {
  const perSecond = run.number("perSecond");
  const perTick = (perSecond * tickMs) / 1000;
  const check = new SequenceCheck();
  const samples = new Distribution();
  let measureFrom = Number.POSITIVE_INFINITY;
  await run.dialect.openSubscriber({
    topic,
    qos: run.job.qos,
    onRecord(index, sentAt) {
      check.take(index);
      if (sentAt >= measureFrom) samples.add(performance.now() - sentAt);
    },
  });
  const publisher = await run.dialect.openPublisher();

  const start = performance.now();
  let ticks = 0;
  let sent = 0;
  const pump = (): void => {
    const now = performance.now();
    while (start + ticks * tickMs <= now && publisher.room() >= perTick) {
      publisher.publish(topic, { first: sent, count: perTick, sentAt: start + ticks * tickMs, apart: false });
      sent += perTick;
      ticks += 1;
    }
  };
  const timer = setInterval(pump, tickMs);

  await Bun.sleep(warmUpMs(run.job.seconds));
  const cpu = new CpuWindow(run.job);
  measureFrom = performance.now();
  const before = check.received;
  await Bun.sleep(run.job.seconds * 1000);
  const { seconds, serverUs, storeUs, serverBusyPercent, loadBusyPercent } = cpu.read();
  const delivered = check.received - before;

  clearInterval(timer);
  await until(() => check.next === sent, drainMs);
  const [p50, p99, p999, max] = samples.percentiles(50, 99, 99.9, 100) as [number, number, number, number];
  return {
    perSecond: round(delivered / seconds),
    p50Ms: round(p50, 2),
    p99Ms: round(p99, 2),
    p999Ms: round(p999, 2),
    maxMs: round(max, 2),
    serverUsPerRecord: round(serverUs / delivered, 2),
    storeUsPerRecord: round(storeUs / delivered, 2),
    serverBusyPercent,
    loadBusyPercent,
    lost: sent - check.received,
    copies: check.copies,
  };
}
