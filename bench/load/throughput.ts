/**
 * One publisher with several batches in flight, one subscriber: how many records a second arrive, and what
 * each costs the server. Closed loop: no more is in flight than was delivered *and* acknowledged.
 * @module
 */
import { CpuWindow } from "../proc-stat.ts";
import { round } from "./distribution.ts";
import { type LoadRun, type Measures, SequenceCheck, until } from "./job.ts";

const topic = "bench.throughput";
const drainMs = 20_000;

export async function throughput(run: LoadRun): Promise<Measures> {
  const batch = run.number("batch");
  const inFlight = run.number("inFlight");
  const check = new SequenceCheck();
  await run.dialect.openSubscriber({ topic, qos: run.job.qos, onRecord: (index) => check.take(index) });
  const publisher = await run.dialect.openPublisher();

  let sent = 0;
  let running = true;
  const pump = (): void => {
    while (
      running &&
      sent + batch - Math.min(publisher.settled(), check.next) <= inFlight &&
      publisher.room() >= batch
    ) {
      publisher.publish(topic, { first: sent, count: batch, sentAt: 0, apart: false });
      sent += batch;
    }
  };
  run.onProgress(pump);
  pump();

  await Bun.sleep(warmUpMs(run.job.seconds));
  const cpu = new CpuWindow(run.job);
  const before = check.received;
  await Bun.sleep(run.job.seconds * 1000);
  const { seconds, serverUs, storeUs, serverBusyPercent, loadBusyPercent } = cpu.read();
  const delivered = check.received - before;

  running = false;
  await until(() => check.next === sent && publisher.settled() >= sent, drainMs);
  return {
    perSecond: round(delivered / seconds),
    serverUsPerRecord: round(serverUs / delivered, 2),
    storeUsPerRecord: round(storeUs / delivered, 2),
    serverBusyPercent,
    loadBusyPercent,
    records: sent,
    lost: sent - check.received,
    copies: check.copies,
    unacknowledged: sent - publisher.settled(),
  };
}

/** Time for compilers and buffers to reach their steady state. */
export function warmUpMs(seconds: number): number {
  return Math.min(3_000, seconds * 500);
}
