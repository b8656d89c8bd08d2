/**
 * Section "Subscribing": filters, quality of service, lanes, the end of a subscription.
 * @module
 */
import type { Qos } from "../../../src/protocol/frame.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { check, equal } from "../peer.ts";
import { type ConformanceCase, numbered, texts, type World } from "../world.ts";

const section = "Subscribing";

async function delivers(world: World, qos: Qos): Promise<void> {
  const topic = world.topic("t");
  const reader = await world.open();
  const received = await reader.subscribe(topic, { qos });
  equal(received.subscribed.qos, qos, "SUBSCRIBED.qos");
  await (await world.open()).publish(numbered(topic, 20));
  equal(
    texts(await received.take(20)),
    numbered(topic, 20).map(({ text }) => text),
    "delivered",
  );
}

/** Which of the topics (given without their scope) a filter lets through. */
async function matches(world: World, filter: string, topics: readonly string[]): Promise<string[]> {
  const client = await world.open();
  const received = await client.subscribe(world.topic(filter));
  await client.publish(topics.map((topic) => ({ topic: world.topic(topic), text: topic })));
  await world.flush(client);
  await received.pending();
  return texts(await received.take((await received.pending()).length));
}

async function refusesFilter(world: World, filter: string): Promise<void> {
  const { peer } = await world.open();
  peer.send({ type: "subscribe", ref: 5, filter });
  await peer.refusal("badFilter", (frame) => frame.ref === 5);
}

export const subscribingCases: readonly ConformanceCase[] = [
  { section, name: "QoS 0 delivers in order to a reader that keeps up", run: (world) => delivers(world, 0) },
  { section, name: "QoS 1 delivers in order", run: (world) => delivers(world, 1) },
  { section, name: "QoS 2 delivers in order", run: (world) => delivers(world, 2) },
  {
    section,
    name: "a filter has one chain for each of the four lanes",
    async run(world) {
      const client = await world.open();
      const { chains } = (await client.subscribe(world.topic("t"))).subscribed;
      equal(chains.map(({ lane }) => lane).sort(), [0, 1, 2, 3], "lanes");
      equal(new Set(chains.map(({ chain }) => chain)).size, 4, "distinct chain ids");
    },
  },
  {
    section,
    name: "chain ids of two subscriptions differ",
    async run(world) {
      const client = await world.open();
      const one = (await client.subscribe(world.topic("a"))).subscribed.chains;
      const other = (await client.subscribe(world.topic("b"))).subscribed.chains;
      equal(new Set([...one, ...other].map(({ chain }) => chain)).size, 8, "distinct chain ids");
    },
  },
  {
    section,
    name: "a record travels on the chain of its lane",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const received = await client.subscribe(topic);
      await client.publish(([0, 1, 2, 3] as const).map((lane) => ({ topic, text: `lane ${lane}`, lane })));
      const seen = new Map<number, string[]>();
      for (let count = 0; count < 4; ) {
        const frame = await received.frame();
        seen.set(frame.chain, [...(seen.get(frame.chain) ?? []), ...texts(frame.records)]);
        count += frame.records.length;
      }
      for (const lane of [0, 1, 2, 3] as const)
        equal(seen.get(received.chain(lane)), [`lane ${lane}`], `chain of lane ${lane}`);
    },
  },
  {
    section,
    name: "order holds inside each lane",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const received = await client.subscribe(topic);
      await client.publish(
        Array.from({ length: 80 }, (_, i) => ({ topic, text: String(i), lane: (i % 4) as 0 | 1 | 2 | 3 })),
      );
      const records = await received.take(80);
      for (const lane of [0, 1, 2, 3]) {
        const numbers = records.filter((record) => record.lane === lane).map((record) => Number(texts([record])[0]));
        equal(
          numbers,
          Array.from({ length: 20 }, (_, i) => 4 * i + lane),
          `lane ${lane}`,
        );
      }
    },
  },
  {
    section,
    name: "a subscription that is behind gets its critical lane before older low records",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publish(Array.from({ length: 40 }, (_, i) => ({ topic, text: `low ${i}`, lane: 3 as const })));
      await client.publish([{ topic, text: "critical", lane: 0 }]);
      const received = await client.subscribe(topic, {
        start: { kind: "all" },
        window: { records: 4, bytes: 600_000 },
      });
      const order: string[] = [];
      while (order.length < 41) {
        order.push(...texts(await received.take(1)));
        received.ack();
      }
      check(order.indexOf("critical") < 40, "the critical record came after all low ones");
    },
  },
  {
    section,
    name: "* stands for exactly one token",
    run: async (world) =>
      equal(
        await matches(world, "w.*.z", ["w.a.z", "w.a.b.z", "w.z", "w.b.z", "w.a.y"]),
        ["w.a.z", "w.b.z"],
        "delivered",
      ),
  },
  {
    section,
    name: "a last > stands for one token or more",
    run: async (world) =>
      equal(await matches(world, "w.>", ["w", "w.a", "w.a.b", "v.a"]), ["w.a", "w.a.b"], "delivered"),
  },
  {
    section,
    name: "a filter without wildcards matches its topic alone",
    run: async (world) => equal(await matches(world, "w.a", ["w.a.b", "w", "w.a", "w.A"]), ["w.a"], "delivered"),
  },
  {
    section,
    name: "a filter with an empty token is refused with badFilter",
    run: (world) => refusesFilter(world, world.topic("a..b")),
  },
  {
    section,
    name: "a filter with > before its last token is refused with badFilter",
    run: (world) => refusesFilter(world, world.topic(">.b")),
  },
  {
    section,
    name: "a filter with a wildcard inside a token is refused with badFilter",
    run: (world) => refusesFilter(world, world.topic("a*.b")),
  },
  {
    section,
    name: "a filter that the session holds already is refused with alreadySubscribed",
    async run(world) {
      const client = await world.open();
      const filter = world.topic("t");
      await client.subscribe(filter);
      const ref = client.ref();
      client.peer.send({ type: "subscribe", ref, filter });
      await client.peer.refusal("alreadySubscribed", (frame) => frame.ref === ref);
    },
  },
  {
    section,
    name: "more subscriptions than a session may hold are refused with tooManySubscriptions",
    async run(world) {
      const { peer } = await world.open();
      const count = limits.subscriptionsPerSessionMax + 1;
      for (let ref = 1; ref <= count; ref += 1) peer.send({ type: "subscribe", ref, filter: world.topic(`s.${ref}`) });
      await peer.refusal("tooManySubscriptions", (frame) => frame.ref === count);
    },
  },
  {
    section,
    name: "overlapping filters each get every record",
    async run(world) {
      const client = await world.open();
      const all = await client.subscribe(world.topic("o.>"));
      const some = await client.subscribe(world.topic("o.*"), { qos: 2 });
      const exact = await client.subscribe(world.topic("o.a"));
      await client.publish(numbered(world.topic("o.a"), 3));
      for (const received of [all, some, exact])
        equal(texts(await received.take(3)), ["1", "2", "3"], received.subscribed.filter);
    },
  },
  {
    section,
    name: "every subscriber of a topic gets the same records in the same order",
    async run(world) {
      const topic = world.topic("t");
      const readers = [];
      for (let i = 0; i < 5; i += 1) readers.push(await (await world.open()).subscribe(topic));
      const [one, other] = [await world.open(), await world.open()];
      await Promise.all([one.publish(numbered(topic, 50)), other.publish(numbered(topic, 50))]);
      const seen = [];
      for (const reader of readers) seen.push((await reader.take(100)).map(({ id }) => id));
      for (const ids of seen) equal(ids.join() === seen[0]?.join(), true, "same order for all");
      equal(new Set(seen[0]).size, 100, "distinct records");
    },
  },
  {
    section,
    name: "UNSUBSCRIBE is answered UNSUBSCRIBED, and nothing is delivered after it",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const received = await client.subscribe(topic);
      await client.publishOne(topic, "before");
      await received.take(1);
      const ref = client.ref();
      client.peer.send({ type: "unsubscribe", ref, filter: topic });
      equal((await client.peer.answer("unsubscribed", ref)).filter, topic, "UNSUBSCRIBED.filter");
      await client.publishOne(topic, "after");
      await world.flush(client);
      equal(texts(await received.pending()), [], "delivered after UNSUBSCRIBED");
    },
  },
  {
    section,
    name: "an unsubscribed filter can be subscribed again",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.subscribe(topic);
      const ref = client.ref();
      client.peer.send({ type: "unsubscribe", ref, filter: topic });
      await client.peer.answer("unsubscribed", ref);
      await client.publishOne(topic, "between");
      const after = await client.subscribe(topic);
      await client.publishOne(topic, "after");
      equal(texts(await after.take(1)), ["after"], "first record");
    },
  },
  {
    section,
    name: "UNSUBSCRIBE of a filter that is not held is refused with notSubscribed",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "unsubscribe", ref: 9, filter: world.topic("t") });
      await peer.refusal("notSubscribed", (frame) => frame.ref === 9);
    },
  },
  {
    section,
    name: "no record is lost or doubled where a subscription turns from behind to live under load",
    async run(world) {
      const topic = world.topic("t");
      const writer = await world.open();
      const reader = await world.open();
      const count = 3_000;
      await writer.publish(numbered(topic, 1_000));
      const items = numbered(topic, count);
      const writing = (async () => {
        for (let from = 1_000; from < count; from += 100) await writer.publish(items.slice(from, from + 100));
      })();
      const received = reader.subscribe(topic, { start: { kind: "all" } });
      const seen: string[] = [];
      const reception = await received;
      while (seen.length < count) {
        seen.push(...texts(await reception.take(100)));
        reception.ack();
      }
      await writing;
      equal(
        seen.join() ===
          numbered(topic, count)
            .map(({ text }) => text)
            .join(),
        true,
        "1 … 3000 in order",
      );
    },
  },
];
