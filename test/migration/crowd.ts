/**
 * Many SDK clients that are moved between gateways: each subscribes one topic at QoS 2, one of each topic publishes
 * numbered records, and every client says what it missed, what it got twice, and how long each move took it.
 *
 * A publisher's records are in order, so each receiver needs one number: the last that it got.
 * @module
 */
import { type Client, connect } from "../../src/client/mod.ts";
import type { ReceivedRecord } from "../../src/client/record.ts";

export type CrowdSpec = {
  /** Of all gateways; client `i` begins with the `i`th. */
  readonly urls: readonly string[];
  /** Numbers of the clients, out of `total` in all processes. */
  readonly first: number;
  readonly clients: number;
  readonly topics: number;
  readonly publishesPerSecond: number;
  readonly heartbeatMs?: number;
};

/** One change of connection of one client. */
export type Move = {
  readonly client: number;
  readonly from: string;
  to: string;
  /** The earliest instant that the gateway named; absent: nobody planned it. */
  readonly slotAt?: number;
  readonly lostAt: number;
  resumedAt: number;
  /** The latest record around it: from the log's acceptance to the client's callback. */
  lateMs: number;
};

export type CrowdReport = {
  readonly moves: readonly Move[];
  readonly duplicates: number;
  /** Records that came before an earlier one had. */
  readonly holes: number;
  /** Of each client, its topic and the last number that it got. */
  readonly reached: readonly (readonly [topic: number, last: number])[];
  /** Of each topic that is published here: numbers that were called, and that the log has acknowledged. */
  readonly published: readonly (readonly [topic: number, called: number, acknowledged: number])[];
  readonly sessionsLost: number;
  readonly errors: readonly string[];
  /** Why connections ended, and how often. */
  readonly losses: readonly (readonly [reason: string, times: number])[];
  readonly received: number;
  /** 99 % of all records came at least so soon. */
  readonly lateP99Ms: number;
};

/** How long after its resume a late record counts as the move's. */
const aroundMs = 3_000;
const openAtOnce = 50;
const errorsKept = 20;
const lateBucketMs = 5;
const lateBuckets = 4_000;

class Member {
  readonly client: Client;
  readonly number: number;
  readonly topic: number;
  last = 0;
  called = 0;
  acknowledged = 0;
  move: Move | undefined;
  slotAt: number | undefined;
  node = "";

  constructor(number: number, topic: number, client: Client) {
    this.number = number;
    this.topic = topic;
    this.client = client;
  }
}

export class Crowd {
  readonly #spec: CrowdSpec;
  readonly #members: Member[] = [];
  readonly #moves: Move[] = [];
  readonly #late = new Uint32Array(lateBuckets);
  readonly #errors: string[] = [];
  readonly #losses = new Map<string, number>();
  readonly #calls = new Set<Promise<unknown>>();
  #timers: ReturnType<typeof setInterval>[] = [];
  #duplicates = 0;
  #holes = 0;
  #received = 0;
  #sessionsLost = 0;

  constructor(spec: CrowdSpec) {
    this.#spec = spec;
  }

  /** Comes back when every client is connected and subscribed. */
  async open(): Promise<void> {
    const { first, clients } = this.#spec;
    for (let from = 0; from < clients; from += openAtOnce) {
      const group = Array.from({ length: Math.min(openAtOnce, clients - from) }, (_, i) =>
        this.#join(first + from + i),
      );
      await Promise.all(group);
    }
  }

  publish(): void {
    const { topics, publishesPerSecond } = this.#spec;
    const periodMs = 1_000 / publishesPerSecond;
    for (const member of this.#members) {
      if (member.number >= topics) continue;
      // Spread over the period, or all topics would have their record in the same instant.
      const delayMs = (member.number / topics) * periodMs;
      const begin = setTimeout(() => this.#timers.push(setInterval(() => this.#publishOne(member), periodMs)), delayMs);
      this.#timers.push(begin as unknown as ReturnType<typeof setInterval>);
    }
  }

  /** No more publishes; comes back when each has its answer. */
  async settle(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    await Promise.all(this.#calls);
  }

  /** Clients by the node that they are on. */
  nodes(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { client } of this.#members) {
      const node = client.status === "connected" ? (client.session?.node ?? "") : "";
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    return counts;
  }

  report(): CrowdReport {
    const { topics } = this.#spec;
    return {
      moves: this.#moves,
      duplicates: this.#duplicates,
      holes: this.#holes,
      reached: this.#members.map(({ topic, last }) => [topic, last]),
      published: this.#members
        .filter(({ number }) => number < topics)
        .map(({ topic, called, acknowledged }) => [topic, called, acknowledged]),
      sessionsLost: this.#sessionsLost,
      errors: this.#errors,
      losses: [...this.#losses],
      received: this.#received,
      lateP99Ms: this.#lateP99(),
    };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#members.map(({ client }) => client.close()));
  }

  async #join(number: number): Promise<void> {
    const { urls, topics, heartbeatMs } = this.#spec;
    const from = number % urls.length;
    const client = connect([...urls.slice(from), ...urls.slice(0, from)], {
      agent: `crowd-${number}`,
      ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    });
    const member = new Member(number, number % topics, client);
    this.#members.push(member);
    client.on("error", (error) => {
      if (this.#errors.length < errorsKept) this.#errors.push(`${number}: ${error.code}: ${error.message}`);
    });
    client.on("lost", () => this.#sessionsLost++);
    client.on("moving", ({ inMs }) => {
      member.slotAt = Date.now() + inMs;
    });
    client.on("disconnected", ({ reason }) => {
      this.#losses.set(reason, (this.#losses.get(reason) ?? 0) + 1);
      this.#left(member);
    });
    client.on("resumed", () => this.#resumed(member));
    await client.subscribe(`m.${member.topic}`, { qos: 2 }, (record) => this.#take(member, record)).ready;
    member.node = client.session?.node ?? "";
  }

  #left(member: Member): void {
    const { move, slotAt, node } = member;
    if (move !== undefined && move.resumedAt === 0) return; // Another try of the same.
    const planned = slotAt === undefined ? {} : { slotAt };
    const next: Move = {
      client: member.number,
      from: node,
      to: "",
      ...planned,
      lostAt: Date.now(),
      resumedAt: 0,
      lateMs: 0,
    };
    member.move = next;
    member.slotAt = undefined;
    this.#moves.push(next);
  }

  #resumed(member: Member): void {
    member.node = member.client.session?.node ?? "";
    if (member.move === undefined) return;
    member.move.to = member.node;
    member.move.resumedAt = Date.now();
  }

  #take(member: Member, record: ReceivedRecord): void {
    const n = Number(record.text());
    this.#received++;
    if (n <= member.last) this.#duplicates++;
    else {
      if (n > member.last + 1) this.#holes++;
      member.last = n;
    }
    const now = Date.now();
    const lateMs = Math.max(0, now - record.time);
    const bucket = Math.min(lateBuckets - 1, Math.floor(lateMs / lateBucketMs));
    this.#late[bucket] = (this.#late[bucket] ?? 0) + 1;
    const { move } = member;
    if (move !== undefined && (move.resumedAt === 0 || now < move.resumedAt + aroundMs))
      move.lateMs = Math.max(move.lateMs, lateMs);
  }

  #publishOne(member: Member): void {
    const n = ++member.called;
    const call = member.client.publish(`m.${member.topic}`, new TextEncoder().encode(String(n))).then(
      () => {
        member.acknowledged = Math.max(member.acknowledged, n);
      },
      (error: Error) => this.#errors.push(`publish ${member.topic} ${n}: ${error.message}`),
    );
    this.#calls.add(call);
    void call.then(() => this.#calls.delete(call));
  }

  #lateP99(): number {
    let left = this.#received / 100;
    for (let bucket = lateBuckets - 1; bucket >= 0; bucket--) {
      left -= this.#late[bucket] ?? 0;
      if (left <= 0) return (bucket + 1) * lateBucketMs;
    }
    return 0;
  }
}

export type Verdict = {
  /** Deliveries that never came. */
  readonly missing: number;
  readonly duplicates: number;
  readonly holes: number;
  readonly sessionsLost: number;
  readonly published: number;
  readonly unacknowledged: number;
};

/** Over all processes: every receiver has every record of its topic, once. */
export function judge(reports: readonly CrowdReport[]): Verdict {
  const published = new Map(reports.flatMap((one) => one.published.map(([topic, called]) => [topic, called] as const)));
  const sum = (pick: (report: CrowdReport) => number) => reports.reduce((total, one) => total + pick(one), 0);
  return {
    missing: sum((one) =>
      one.reached.reduce((total, [topic, last]) => total + Math.max(0, (published.get(topic) ?? 0) - last), 0),
    ),
    duplicates: sum(({ duplicates }) => duplicates),
    holes: sum(({ holes }) => holes),
    sessionsLost: sum(({ sessionsLost }) => sessionsLost),
    published: sum((one) => one.published.reduce((total, [, called]) => total + called, 0)),
    unacknowledged: sum((one) => one.published.reduce((total, [, called, acked]) => total + called - acked, 0)),
  };
}

/** The most clients that came to one node within any stretch of so many milliseconds. */
export function mostArrivals(moves: readonly Move[], withinMs: number): number {
  let most = 0;
  for (const arrivals of Map.groupBy(moves, ({ to }) => to).values()) {
    const at = arrivals.map(({ resumedAt }) => resumedAt).sort((a, b) => a - b);
    let from = 0;
    for (const [i, end] of at.entries()) {
      while ((at[from] as number) <= end - withinMs) from++;
      most = Math.max(most, i - from + 1);
    }
  }
  return most;
}
