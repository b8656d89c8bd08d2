/**
 * Publishers, writers of transactions, and a pipeline that consumes and produces.
 * @module
 */
import { laneNames, lanes, normalLane } from "../../src/protocol/lane.ts";
import { keyOf, type PipelineFact, type PublishFact, payloadFor, type TransactionFact } from "./evidence.ts";
import type { Instance, SimClient } from "./sim-client.ts";
import type { Workload } from "./workload.ts";

/** Errors that say: it was not stored and will not be. */
const refusals = new Set<unknown>(["reservedTopic", "badTopic", "payloadTooLarge", "headersTooLarge"]);
/** Bounds of one producer in one world: many small worlds find more than few large ones. */
const publishesMax = 150;
const transactionsMax = 40;
const jobsMax = 40;
const pipelineInput = "in.jobs";
const pipelineOutput = "out.results";

/** Calls `act` now and then, until the producers stop or the instance dies. */
function nowAndThen(workload: Workload, { process, chance }: Instance, paceMs: number, act: () => void): void {
  const { clock } = workload.world;
  const again = (): void => {
    const delayMs = -Math.log(1 - chance.next()) * paceMs;
    if (clock.nowMs + delayMs > workload.untilMs) return;
    clock.after(
      delayMs,
      () => {
        act();
        again();
      },
      process,
    );
  };
  again();
}

function publish(workload: Workload, { client, process, chance }: Instance, fact: PublishFact): void {
  workload.world.evidence.publishes.set(fact.key, fact);
  const payload = payloadFor(fact.key, chance.pick([0, 20, 300, 300, 6_000]));
  const priority = fact.lane === normalLane ? {} : { priority: laneNames[fact.lane] };
  const ordered = chance.hit(0.1) ? { ordered: true } : {};
  const done = client.publish(fact.topic, payload, { ...priority, ...ordered }).then(
    () => {
      fact.outcome = "acknowledged";
    },
    (error: { code?: unknown }) => {
      workload.world.trace.note(`publish ${fact.key} failed`, () => String(error));
      if (refusals.has(error.code)) fact.outcome = "refused";
    },
  );
  workload.track(process, `publish ${fact.key}`, done);
}

/** What is sent again in a new session may be stored twice; the client says which publishes that can be. */
function followResends(workload: Workload, { client }: Instance): void {
  client.on("lost", ({ outcomeUnknown }) => {
    for (const { payload } of outcomeUnknown) {
      const fact = workload.world.evidence.publishes.get(keyOf(payload));
      if (fact !== undefined) fact.resent = (fact.resent ?? 0) + 1;
    }
  });
}

export function publisher(workload: Workload, client: SimClient, paceMs: number): void {
  let count = 0;
  client.play((instance) => {
    const { chance } = instance;
    followResends(workload, instance);
    const burstMax = chance.pick([1, 3, 12]);
    nowAndThen(workload, instance, paceMs, () => {
      for (let left = chance.int(1, burstMax); left > 0 && count < publishesMax; left--) {
        const topic = chance.hit(0.01) ? "$forbidden" : `t.${chance.int(0, 3)}`;
        const lane = chance.hit(0.2) ? chance.pick(lanes) : normalLane;
        publish(workload, instance, { key: `${client.options.name}-${++count}`, topic, lane, outcome: "unknown" });
      }
    });
  });
}

export function transactionWriter(workload: Workload, client: SimClient, paceMs: number): void {
  const { evidence, trace } = workload.world;
  let count = 0;
  client.play((instance) => {
    const { chance } = instance;
    nowAndThen(workload, instance, paceMs, () => {
      if (count >= transactionsMax) return;
      const id = `${client.options.name}-tx${++count}`;
      const keys = Array.from({ length: chance.int(1, 5) }, (_, i) => `${id}-${i}`);
      const fact: TransactionFact = { id, keys, outcome: "unknown" };
      evidence.transactions.set(id, fact);
      const rollsBack = chance.hit(0.25);
      const done = instance.client.transaction((tx) => {
        for (const key of keys) {
          const topic = `t.${chance.int(0, 3)}`;
          evidence.publishes.set(key, { key, topic, lane: normalLane, transaction: id, outcome: "unknown" });
          tx.publish(topic, payloadFor(key, chance.pick([0, 100, 3_000])));
        }
        if (rollsBack) throw new Error("rolled back on purpose");
      });
      const settled = done.then(
        () => {
          fact.outcome = "committed";
        },
        (error: unknown) => {
          trace.note(`transaction ${id} failed`, () => String(error));
          if (rollsBack) fact.outcome = "rolledBack";
        },
      );
      workload.track(instance.process, `transaction ${id}`, settled);
    });
  });
}

/** Reads `in.jobs`, writes `out.results`, and acknowledges in the same transaction. */
export function pipeline(workload: Workload, client: SimClient, feeder: SimClient, paceMs: number): void {
  const { evidence, trace, clock } = workload.world;
  let count = 0;
  feeder.play((instance) => {
    nowAndThen(workload, instance, paceMs, () => {
      if (count >= jobsMax) return;
      publish(workload, instance, {
        key: `job-${++count}`,
        topic: pipelineInput,
        lane: normalLane,
        outcome: "unknown",
      });
    });
  });
  const fact: PipelineFact = { name: client.options.name, input: pipelineInput, output: pipelineOutput };
  evidence.pipelines.push(fact);
  client.play(({ client: sdk, process }) => {
    const subscription = sdk.subscribe(pipelineInput, { qos: 2, start: "all", autoAck: false }, async (record) => {
      const key = `out:${record.text().split("|")[0]}`;
      evidence.publishes.set(key, { key, topic: pipelineOutput, lane: normalLane, outcome: "unknown" });
      for (;;) {
        try {
          await sdk.transaction((tx) => {
            tx.publish(pipelineOutput, payloadFor(key, 10));
            tx.ack(record);
          });
          trace.note(`${client.options.name} produced ${key}`);
          return;
        } catch (error) {
          trace.note(`${client.options.name} failed ${key}`, () => String(error));
          await new Promise<void>((resolve) => clock.after(500, resolve, process));
        }
      }
    });
    // What was gone before it came is not owed either.
    void subscription.ready.then(() => {
      fact.heldFrom ??= workload.world.storage.firstSeq;
    });
    workload.followTrims(subscription, fact);
  });
}
