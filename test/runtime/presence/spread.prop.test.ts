/**
 * Several nodes tell each other who is present over a bus that loses messages and is cut in two, while nodes die and start
 * again: when it heals, all show the same, within a bound.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Bus, type BusMessage, messageBytes } from "../../../src/runtime/bus/bus.ts";
import { LocalHub, localBus } from "../../../src/runtime/bus/local.ts";
import type { Member } from "../../../src/runtime/cluster/membership.ts";
import { Spread } from "../../../src/runtime/presence/spread.ts";
import { chanceFrom } from "../../sim/random.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const graceMs = 5_000;
/** After the last fault: what is heard is heard again within a second; who was thought lost is there again. */
const convergeMs = 4_000;
const topics = ["a", "b.c"];

type Node = { readonly name: string; readonly bus: Bus; readonly spread: Spread; readonly shown: Map<string, string> };

class Cluster {
  readonly clock = new ManualClock();
  readonly hub = new LocalHub();
  readonly nodes: Node[] = [];
  readonly chance;
  /** Messages pass with this chance, inside of a side. */
  passes = 1;
  /** Of each node name. */
  sides = new Map<string, number>();
  #incarnations = 0;

  constructor(seed: number, names: readonly string[]) {
    this.chance = chanceFrom(seed);
    for (const name of names) this.start(name);
  }

  start(name: string): Node {
    const incarnation = `i${++this.#incarnations}`;
    const inner = localBus(this.clock, this.hub);
    const hears = (message: BusMessage, from: string): boolean =>
      this.#side(from) === this.#side(name) && this.chance.next() < this.passes && message !== undefined;
    const bus: Bus = {
      bytesMax: 4_096, // so that answers have pages
      publish: (subject, data) => inner.publish(subject, data, { from: name }),
      request: (subject, data, options) => inner.request(subject, data, { ...options, headers: { from: name } }),
      subscribe: (subject, onMessage) =>
        inner.subscribe(subject, (message) => {
          expect(messageBytes(message.data)).toBeLessThanOrEqual(4_096);
          if (!hears(message, message.headers?.["from"] ?? "")) return;
          const { reply } = message;
          const answer = (data: Uint8Array): void => {
            if (this.chance.next() < this.passes) reply?.(data);
          };
          onMessage(reply === undefined ? message : { ...message, reply: answer });
        }),
      close: () => inner.close(),
    };
    const shown = new Map<string, string>();
    const spread = new Spread({
      ...{ clock: this.clock, bus, self: { node: name, incarnation }, graceMs: () => graceMs },
      membership: { member: (other) => this.#memberAsSeenBy(name, other) },
      onShown: (topic, session, after) => {
        if (after === undefined) shown.delete(`${topic} ${session}`);
        else shown.set(`${topic} ${session}`, textOf(after));
      },
    });
    const node = { name, bus, spread, shown };
    this.nodes.push(node);
    return node;
  }

  /** It says nothing more, and hears nothing. */
  async kill(node: Node): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await node.bus.close();
  }

  #side(name: string): number {
    return this.sides.get(name) ?? 0;
  }

  #memberAsSeenBy(name: string, other: string): Member | undefined {
    const node = this.nodes.find((one) => one.name === other);
    if (node === undefined || this.#side(name) !== this.#side(other)) return undefined;
    return { node: other, incarnation: node.spread.own.source.incarnation, status: "healthy" } as Member;
  }

  /** Time passes, and what is asked meanwhile is answered. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 20) {
      this.clock.advance(Math.min(20, left));
      for (let i = 0; i < 8; i++) await Promise.resolve();
    }
  }

  /** What every node should show: of each session, what its newest owner says. */
  truth(): Map<string, string> {
    const truth = new Map<string, { readonly owner: number; readonly text: string }>();
    for (const { spread } of this.nodes)
      for (const entry of spread.directory.entriesOf(spread.own.source)) {
        const name = `${entry.topic} ${entry.session}`;
        if ((truth.get(name)?.owner ?? 0) < entry.owner) truth.set(name, { owner: entry.owner, text: textOf(entry) });
      }
    return new Map([...truth].map(([name, { text }]) => [name, text]));
  }
}

const sorted = (map: ReadonlyMap<string, string>): string[] => [...map].map((pair) => pair.join(" ")).sort();
const textOf = (entry: { readonly subject: string; readonly data: Uint8Array | undefined }): string =>
  `${entry.subject} ${entry.data === undefined ? "" : new TextDecoder().decode(entry.data)}`;

type Step =
  | {
      readonly do: "set";
      readonly node: number;
      readonly topic: number;
      readonly session: number;
      readonly data: string;
    }
  | { readonly do: "remove"; readonly node: number; readonly topic: number; readonly session: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "lose"; readonly share: number }
  | { readonly do: "cut"; readonly sides: readonly number[] }
  | { readonly do: "restart"; readonly node: number };

const node = fc.nat(3);
const where = { node, topic: fc.nat(1), session: fc.nat(5) };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("set" as const), ...where, data: fc.string({ maxLength: 40 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), ...where }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constant(20_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), share: fc.constantFrom(0, 0.3, 0.7) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("cut" as const),
      sides: fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), node }) },
);

async function take(cluster: Cluster, step: Step, owners: Map<number, number>): Promise<void> {
  const at = "node" in step ? cluster.nodes[step.node] : undefined;
  switch (step.do) {
    case "set": {
      const owner = (owners.get(step.session) ?? 0) + 1;
      owners.set(step.session, owner);
      const [topic, session, data] = [
        topics[step.topic] as string,
        `s${step.session}`,
        new TextEncoder().encode(step.data),
      ];
      at?.spread.own.set({ topic, session, subject: at.name, data, since: 0, owner });
      return at?.spread.changed();
    }
    case "remove":
      at?.spread.own.remove(topics[step.topic] as string, `s${step.session}`);
      return at?.spread.changed();
    case "pass":
      return cluster.pass(step.ms);
    case "lose":
      cluster.passes = 1 - step.share;
      return;
    case "cut":
      for (const [i, { name }] of cluster.nodes.entries()) cluster.sides.set(name, step.sides[i] ?? 0);
      return;
    case "restart":
      if (at === undefined) return;
      await cluster.kill(at);
      cluster.start(at.name);
  }
}

describe("Spread", () => {
  test("nodes over a bus that loses and is cut show the same a bounded time after it heals", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(step, { minLength: 20, maxLength: 120 }), async (seed, steps) => {
        const cluster = new Cluster(seed, ["n1", "n2", "n3", "n4"]);
        const owners = new Map<number, number>();
        for (const one of steps) await take(cluster, one, owners);
        cluster.passes = 1;
        cluster.sides.clear();
        await cluster.pass(convergeMs);
        // Those of a process that died stay for their time of grace.
        await cluster.pass(graceMs + 1_000);
        const truth = sorted(cluster.truth());
        for (const { spread, shown } of cluster.nodes) {
          expect(sorted(shown)).toEqual(truth);
          expect(spread.directory.total).toBe(truth.length);
          for (const topic of topics)
            expect(spread.directory.page(topic, { limit: 1_000, bytesMax: 1e9 }).total).toBe(
              truth.filter((line) => line.startsWith(`${topic} `)).length,
            );
        }
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  test("a message that is lost is made good within a second and a bit", async () => {
    const cluster = new Cluster(1, ["n1", "n2"]);
    const [first, second] = cluster.nodes as [Node, Node];
    cluster.passes = 0;
    first.spread.own.set({ topic: "a", session: "s", subject: "", data: undefined, since: 0, owner: 1 });
    first.spread.changed();
    await cluster.pass(100);
    expect(second.shown.size).toBe(0);
    cluster.passes = 1;
    await cluster.pass(1_100);
    expect([...second.shown.keys()]).toEqual(["a s"]);
    expect(second.spread.repairs).toBe(1);
  });

  test("who was away for longer than departures are remembered is told everything anew, page by page", async () => {
    const cluster = new Cluster(1, ["n1", "n2"]);
    const [first, second] = cluster.nodes as [Node, Node];
    const set = (session: string): void =>
      first.spread.own.set({ topic: "a", session, subject: "", data: undefined, since: 0, owner: 1 });
    for (let i = 0; i < 100; i++) set(`kept${i}`);
    for (let i = 0; i < 100; i++) set(`goes${i}`);
    first.spread.changed();
    await cluster.pass(200);
    expect(second.shown.size).toBe(200);
    cluster.sides.set("n2", 1);
    for (let i = 0; i < 100; i++) first.spread.own.remove("a", `goes${i}`);
    for (let i = 0; i < 9_000; i++) {
      set("comes and goes");
      first.spread.own.remove("a", "comes and goes");
    }
    first.spread.changed();
    await cluster.pass(2_000);
    expect(second.shown.size).toBe(200);
    cluster.sides.clear();
    await cluster.pass(2_000);
    expect(sorted(second.shown)).toEqual(sorted(cluster.truth()));
    expect(second.shown.size).toBe(100);
    expect(second.spread.repairs).toBeGreaterThan(2);
  });

  test("members of a lost node stay for the time of grace, and then go; who is elsewhere by then never went", async () => {
    const cluster = new Cluster(1, ["n1", "n2", "n3"]);
    const [first, second, third] = cluster.nodes as [Node, Node, Node];
    for (const session of ["moves", "goes"])
      first.spread.own.set({ topic: "a", session, subject: "", data: undefined, since: 0, owner: 1 });
    first.spread.changed();
    await cluster.pass(100);
    const seen: string[] = [];
    const { set, delete: remove } = third.shown;
    third.shown.set = (key, value) => {
      seen.push(`+${key}`);
      return set.call(third.shown, key, value);
    };
    third.shown.delete = (key) => {
      seen.push(`-${key}`);
      return remove.call(third.shown, key);
    };
    await cluster.kill(first);
    await cluster.pass(3_000);
    second.spread.own.set({ topic: "a", session: "moves", subject: "", data: undefined, since: 0, owner: 2 });
    second.spread.changed();
    await cluster.pass(graceMs);
    expect(seen).toEqual(["-a goes"]);
  });
});
