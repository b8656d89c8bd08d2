/**
 * One history with everything that operators ask about: records that are processed, given back and given up, a lost
 * connection that comes back, one that comes too late, a refused publish, a transaction.
 * @module
 */
import type { GatewayConfig } from "../../../src/runtime/gateway.ts";
import { ReplayStage, type StagedClient } from "./stage.ts";

export type Story = {
  readonly stage: ReplayStage;
  readonly worker: string;
  readonly late: string;
  readonly lateAgain: string;
  readonly publisher: string;
  /** Seqs of the records that were processed at once, processed at the second try, and given up. */
  readonly seqs: { readonly fine: number; readonly second: number; readonly poison: number; readonly missed: number };
};

export function tell(config: GatewayConfig = {}): Story {
  const stage = new ReplayStage(config);
  const publisher = stage.client("publisher");
  const worker = stage.client("worker");
  let failures = 0;
  worker.client.subscribe("jobs.>", { qos: 1, maxDeliver: 3 }, (record) => {
    const text = record.text();
    if (text === "poison" || (text === "second" && failures++ === 0)) throw new Error(`cannot do ${text}`);
  });
  const late = stage.client("late", { resumeWindowMs: 2_000 });
  late.client.subscribe("news.*", { qos: 1 }, () => undefined);
  stage.pass(100);
  const lateSession = stage.sessionOf("late");
  const fine = stage.publish(publisher, "jobs.a", "fine");
  const second = stage.publish(publisher, "jobs.a", "second");
  const poison = stage.publish(publisher, "jobs.b", "poison");
  stage.done(refusedPublish(publisher));
  stage.done(
    publisher.client.transaction((tx) => {
      tx.publish("jobs.a", "in a transaction");
      tx.publish("jobs.b", "in a transaction");
    }),
  );
  stage.pass(3_000);
  worker.cut();
  stage.pass(5_000);
  late.sever();
  stage.pass(100);
  const missed = stage.publish(publisher, "news.today", "missed");
  stage.pass(5_000);
  late.mend();
  stage.pass(15_000);
  return {
    ...{ stage, worker: stage.sessionOf("worker"), late: lateSession, lateAgain: stage.sessionOf("late") },
    publisher: stage.sessionOf("publisher"),
    seqs: { fine, second, poison, missed },
  };
}

async function refusedPublish({ client }: StagedClient): Promise<void> {
  await client.publish("$reserved", "x").then(
    () => Promise.reject(new Error("A reserved topic was taken")),
    () => undefined,
  );
}
