/**
 * Who is in the world: publishers, writers of transactions, a pipeline that consumes and produces, subscribers of
 * every QoS and start, one ephemeral client. Each seed picks who is there and how busy they are.
 * @module
 */

import type { Subscription } from "../../src/client/subscription.ts";
import type { Frame, Qos } from "../../src/protocol/frame.ts";
import type { SimProcess } from "./clock.ts";
import { changer, plainPlan, type SubscriberPlan, subscriber } from "./consumers.ts";
import { Deliveries } from "./deliveries.ts";
import { pipeline, publisher, transactionWriter } from "./producers.ts";
import type { Chance } from "./random.ts";
import { type SessionPlan, SimClient } from "./sim-client.ts";
import type { Unprocessed } from "./wire-checker.ts";
import type { World } from "./world.ts";

/** Sessions that end while their client is away, now and then. */
function shortSession(chance: Chance, policies: readonly ("fail" | "resend")[]): SessionPlan {
  return chance.hit(0.2)
    ? { resumeWindowMs: chance.pick([300, 2_000, 8_000]), onSessionLost: chance.pick(policies) }
    : {};
}

function sessionOf({ qos, mayCrash, ephemeral }: SubscriberPlan, chance: Chance): SessionPlan {
  if (ephemeral) return { resumeWindowMs: 0 };
  // At QoS 1 a client that lost its memory and its session does not know where it was.
  return qos === 1 && mayCrash ? {} : shortSession(chance, ["fail"]);
}

export class Workload implements Unprocessed {
  readonly world: World;
  readonly deliveries: Deliveries;
  readonly clients: SimClient[] = [];
  /** When the producers stop. */
  untilMs = 0;
  readonly #chance: Chance;
  readonly #waiting = new Set<{ readonly process: SimProcess; readonly what: string }>();

  constructor(world: World) {
    this.world = world;
    this.#chance = world.chance.fork("workload");
    this.deliveries = new Deliveries(world.storage);
  }

  start(untilMs: number): void {
    this.untilMs = untilMs;
    const chance = this.#chance;
    const pace = chance.pick([100, 300, 1_000]);
    const sessions = this.world.chance.fork("sessions");
    for (let i = 1; i <= chance.int(1, 3); i++) {
      const client = this.#client(`publisher-${i}`, true, shortSession(sessions, ["fail", "resend"]));
      publisher(this, client, pace);
    }
    const { transactions } = this.world.storage;
    if (chance.hit(0.6) && transactions)
      transactionWriter(this, this.#client("writer", true, shortSession(sessions, ["fail"])), pace * 3);
    if (chance.hit(0.6) && transactions)
      pipeline(this, this.#client("pipeline", chance.hit(0.5)), this.#client("feeder", true), pace * 2);
    for (const plan of this.#subscribers())
      subscriber(this, this.#client(plan.name, plan.mayCrash, sessionOf(plan, sessions)), plan);
    if (this.world.bug?.longJournals === true || this.world.chance.fork("changer").hit(0.1)) this.#startChanger();
  }

  /** One that changes its subscriptions all the time, beside one that it keeps: its session's journal grows long. */
  #startChanger(): void {
    const client = this.#client("changer", false);
    subscriber(this, client, { ...plainPlan, name: "changer", filter: "t.>", qos: 1 });
    changer(this, client);
  }

  crashClient(chance: Chance, silent: boolean, downMs: number): void {
    const running = this.clients.filter((client) => client.options.mayCrash && client.running !== undefined);
    if (running.length === 0) return;
    const client = chance.pick(running);
    this.deliveries.forget(client.options.name);
    client.crash(silent, downMs);
  }

  seqs(client: string, filter: string, lane: number): ReadonlySet<number> {
    return this.deliveries.seqs(client, filter, lane);
  }

  arrived(client: string, wire: number, frame: Frame): void {
    this.deliveries.arrived(client, wire, frame);
  }

  /** The call has to come back, unless its process dies first. */
  track(process: SimProcess, what: string, call: Promise<unknown>): void {
    const entry = { process, what };
    this.#waiting.add(entry);
    void call.then(() => this.#waiting.delete(entry));
  }

  settled(): boolean {
    const { subscribers } = this.world.evidence;
    const everyone = this.clients.every((client) => client.running !== undefined);
    return everyone && this.unsettled() === "" && subscribers.every(({ after }) => after !== undefined);
  }

  unsettled(): string {
    for (const entry of this.#waiting) if (!entry.process.alive) this.#waiting.delete(entry);
    const calls = [...this.#waiting].slice(0, 5).map(({ what }) => what);
    const without = this.world.evidence.subscribers
      .filter(({ after }) => after === undefined)
      .map(({ name }) => `${name} not subscribed`);
    return [...calls, ...without].join(", ");
  }

  /** What a subscriber is told to be gone is not owed; that it is gone has to be true. */
  followTrims(subscription: Subscription, fact: { readonly name: string; trimmedBefore?: number }): void {
    subscription.on("resume", ({ resume }) => {
      if (resume.kind !== "trimmed") return;
      const { firstSeq } = this.world.storage;
      if (resume.first > firstSeq)
        this.world.found(
          "trimmed is true",
          `${fact.name} was told trimmed before ${resume.first}; held is ${firstSeq}`,
        );
      fact.trimmedBefore = Math.max(fact.trimmedBefore ?? 0, resume.first);
    });
  }

  #client(name: string, mayCrash: boolean, session: SessionPlan = {}): SimClient {
    const client = new SimClient(this.world, { name, mayCrash, ...session });
    this.clients.push(client);
    this.world.clock.after(this.#chance.next() * 200, () => client.start());
    return client;
  }

  #subscribers(): SubscriberPlan[] {
    const chance = this.#chance;
    const plans: SubscriberPlan[] = [];
    const filters = ["t.>", "t.*", "t.0", "t.1", "*.2", ">"];
    const count = chance.int(2, 5);
    for (let i = 1; i <= count; i++) {
      const qos = chance.pick<Qos>([0, 1, 1, 2, 2, 2]);
      const mayCrash = chance.hit(0.5);
      // Where a process can die between processing and NAK, only the application could tell which it was.
      const refusesShare = qos === 0 || (qos === 2 && mayCrash) ? 0 : chance.pick([0, 0, 0.05, 0.2]);
      plans.push({
        name: `subscriber-${i}`,
        filter: chance.pick(filters),
        qos,
        mayCrash,
        ephemeral: qos === 0 && chance.hit(0.3),
        refusesShare,
        maxDeliver: refusesShare > 0 ? chance.pick([undefined, 2]) : undefined,
        start: qos === 0 ? "new" : chance.pick(["all", "all", "new", "last", "position", "time"] as const),
        windowRecords: chance.pick([undefined, undefined, 1, 4, 32]),
        takesMs: chance.pick([0, 0, 0, 5, 60]),
        ackWaitMs: chance.pick([undefined, 500, 3_000]),
        comesAfterMs: chance.hit(0.4) ? chance.next() * 10_000 : 0,
      });
    }
    return plans;
  }
}
