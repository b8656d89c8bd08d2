/**
 * One publisher, many subscribers of one topic: what one delivery costs the server, with one record or
 * several published in a tick. Closed loop over all subscribers.
 * @module
 */
import { CpuWindow } from "../proc-stat.ts";
import { round } from "./distribution.ts";
import { inGroups, type LoadRun, type Measures, SequenceCheck, until } from "./job.ts";
import { warmUpMs } from "./throughput.ts";

const topic = "bench.fanout";
const drainMs = 20_000;
const connectAtOnce = 100;

export async function fanout(run: LoadRun): Promise<Measures> {
  const subscribers = run.number("subscribers");
  const perTick = run.number("perTick");
  const inFlight = run.number("inFlightTicks") * perTick * subscribers;
  let delivered = 0;
  const checks = Array.from({ length: subscribers }, () => new SequenceCheck());
  await inGroups(subscribers, connectAtOnce, (i) => {
    const check = checks[i] as SequenceCheck;
    return run.dialect.openSubscriber({
      topic,
      qos: run.job.qos,
      onRecord(index) {
        check.take(index);
        delivered += 1;
      },
    });
  });
  const publisher = await run.dialect.openPublisher();

  let sent = 0;
  let running = true;
  const pump = (): void => {
    while (running && (sent + perTick) * subscribers - delivered <= inFlight && publisher.room() >= perTick) {
      publisher.publish(topic, { first: sent, count: perTick, sentAt: 0, apart: true });
      sent += perTick;
    }
  };
  run.onProgress(pump);
  pump();

  await Bun.sleep(warmUpMs(run.job.seconds));
  const cpu = new CpuWindow(run.job);
  const before = delivered;
  await Bun.sleep(run.job.seconds * 1000);
  const { seconds, serverUs, serverBusyPercent, loadBusyPercent } = cpu.read();
  const measured = delivered - before;

  running = false;
  await until(() => delivered >= sent * subscribers, drainMs);
  const sum = (pick: (check: SequenceCheck) => number): number =>
    checks.reduce((total, check) => total + pick(check), 0);
  return {
    deliveriesPerSecond: round(measured / seconds),
    serverUsPerDelivery: round(serverUs / measured, 2),
    serverBusyPercent,
    loadBusyPercent,
    records: sent,
    lost: sent * subscribers - sum((check) => check.received),
    copies: sum((check) => check.copies),
  };
}
