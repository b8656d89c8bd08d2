/**
 * Subscribers: what they ask for, how slowly they work, what they refuse, and what they remember of it.
 * @module
 */

import type { SubscribeOptions } from "../../src/client/options.ts";
import type { ReceivedRecord } from "../../src/client/record.ts";
import type { Subscription } from "../../src/client/subscription.ts";
import type { Qos } from "../../src/protocol/frame.ts";
import { lanes } from "../../src/protocol/lane.ts";
import { keyOf, type SubscriberFact } from "./evidence.ts";
import { NatsStorage } from "./nats/storage.ts";
import type { Instance, SimClient } from "./sim-client.ts";
import type { Workload } from "./workload.ts";

export type SubscriberPlan = {
  readonly name: string;
  readonly filter: string;
  readonly qos: Qos;
  readonly mayCrash: boolean;
  readonly ephemeral: boolean;
  readonly start: "all" | "new" | "last" | "position" | "time";
  /** How often its handler throws. */
  readonly refusesShare: number;
  readonly maxDeliver: number | undefined;
  readonly windowRecords: number | undefined;
  /** How long its handler takes, at most. */
  readonly takesMs: number;
  readonly ackWaitMs: number | undefined;
  /** How late it subscribes for the first time. */
  readonly comesAfterMs: number;
};

export const plainPlan: Omit<SubscriberPlan, "name" | "filter" | "qos"> = {
  mayCrash: false,
  ephemeral: false,
  start: "all",
  refusesShare: 0,
  maxDeliver: undefined,
  windowRecords: undefined,
  takesMs: 0,
  ackWaitMs: undefined,
  comesAfterMs: 0,
};

/** Filters that a changer takes and leaves; nobody publishes there. */
const changerFilters = Array.from({ length: 12 }, (_, i) => `changing.${i}`);
const changerPaceMs = 25;

/** Subscribes and unsubscribes all the time: every time is an entry in the journal of its session. */
export function changer(workload: Workload, client: SimClient): void {
  client.play(({ client: sdk, process, chance }) => {
    const { clock } = workload.world;
    const held = new Map<string, Subscription | "leaving">();
    const change = (): void => {
      const filter = chance.pick(changerFilters);
      const subscription = held.get(filter);
      if (subscription === undefined)
        held.set(
          filter,
          sdk.subscribe(filter, () => undefined),
        );
      else if (subscription !== "leaving") {
        held.set(filter, "leaving");
        workload.track(
          process,
          `unsubscribe ${filter}`,
          subscription.unsubscribe().then(() => held.delete(filter)),
        );
      }
      if (clock.nowMs < workload.untilMs) clock.after(changerPaceMs, change, process);
    };
    change();
  });
}

export function subscriber(workload: Workload, client: SimClient, plan: SubscriberPlan): void {
  const { world, deliveries } = workload;
  const fact: SubscriberFact = {
    name: plan.name,
    filter: plan.filter,
    qos: plan.qos,
    startsAtLast: plan.start === "last",
    ...(plan.start === "time" ? { startsAtTime: timeOf(workload, plan) } : {}),
    after: undefined,
    processed: [],
    refused: new Set(),
    deadLettered: new Set(),
  };
  world.evidence.subscribers.push(fact);
  deliveries.follow(plan.name, fact);
  world.trace.note(`PLAN ${plan.name}`, () => JSON.stringify(plan));
  client.play((instance) => {
    // A new process without a memory begins at the newest record that its node has seen: perhaps one it had before.
    if (plan.ephemeral && world.storage instanceof NatsStorage) fact.processed.length = 0;
    const join = (): void => {
      const handler = handlerOf(workload, plan, { fact, instance });
      const subscription = instance.client.subscribe(plan.filter, subscribeOptions(workload, plan, fact), handler);
      workload.followTrims(subscription, fact);
      subscription.on("deadLetter", ({ seq }) => fact.deadLettered.add(seq));
    };
    if (instance.restarts === 0) world.clock.after(plan.comesAfterMs, join, instance.process);
    else join();
  });
}

function subscribeOptions({ world }: Workload, plan: SubscriberPlan, fact: SubscriberFact): SubscribeOptions {
  const { qos, start, windowRecords, ackWaitMs, maxDeliver } = plan;
  const chance = world.chance.fork(`start/${plan.name}`);
  const time = fact.startsAtTime ?? 0;
  const at = { seq: Math.floor(chance.next() * world.storage.lastSeq), epoch: "sim" };
  return {
    qos,
    ...(start === "new" ? {} : { start: start === "position" ? at : start === "time" ? { time } : start }),
    ...(windowRecords === undefined ? {} : { window: { records: windowRecords } }),
    ...(ackWaitMs === undefined ? {} : { ackWaitMs }),
    ...(maxDeliver === undefined ? {} : { maxDeliver }),
    ...(qos === 2 && plan.mayCrash ? { processed: ownPositions(fact) } : {}),
  };
}

/** Some time while it is not there yet. */
function timeOf({ world }: Workload, { name, comesAfterMs }: SubscriberPlan): number {
  return Math.floor(world.clock.nowMs + world.chance.fork(`time/${name}`).next() * comesAfterMs);
}

/** What an application that keeps its positions beside its data finds after a crash. */
function ownPositions({ processed }: SubscriberFact): NonNullable<SubscribeOptions["processed"]> {
  return lanes.flatMap((lane) => {
    const seq = processed.reduce((max, fact) => (fact.lane === lane ? Math.max(max, fact.seq) : max), 0);
    return seq === 0 ? [] : [{ epoch: "sim", lane, seq }];
  });
}

type Who = { readonly fact: SubscriberFact; readonly instance: Instance };

function handlerOf(
  workload: Workload,
  plan: SubscriberPlan,
  { fact, instance }: Who,
): (record: ReceivedRecord) => unknown {
  const { world, deliveries } = workload;
  const { chance, process } = instance;
  const finish = (record: ReceivedRecord): void => {
    const { seq, topic, lane, payload } = record;
    deliveries.settled(plan.name, plan.filter, lane, seq);
    if (chance.hit(plan.refusesShare)) {
      fact.refused.add(seq);
      world.trace.note(`${plan.name} refuses ${seq}`);
      throw new Error(`${plan.name} refuses ${seq}`);
    }
    fact.processed.push({ seq, topic, lane, key: keyOf(payload) });
    world.trace.note(`${plan.name} processed ${seq}`, () => `${keyOf(payload)} attempt ${record.attempt}`);
  };
  return (record) => {
    const takesMs = Math.floor(chance.next() * plan.takesMs);
    if (takesMs === 0) return finish(record);
    return new Promise<void>((resolve) => world.clock.after(takesMs, resolve, process)).then(() => finish(record));
  };
}
