/**
 * Section "Subscribing": where delivery begins.
 * @module
 */
import { check, equal } from "../peer.ts";
import { type ConformanceCase, numbered, texts } from "../world.ts";

const section = "Subscribing";

export const startCases: readonly ConformanceCase[] = [
  {
    section,
    name: "start new: what was published before is not delivered",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publishOne(topic, "before");
      const received = await client.subscribe(topic, { start: { kind: "new" } });
      await client.publishOne(topic, "after");
      equal(texts(await received.take(1)), ["after"], "first record");
    },
  },
  {
    section,
    name: "without a start a subscription starts new, with QoS 1",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publishOne(topic, "before");
      const received = await client.subscribe(topic);
      equal(received.subscribed.qos, 1, "SUBSCRIBED.qos");
      await client.publishOne(topic, "after");
      equal(texts(await received.take(1)), ["after"], "first record");
    },
  },
  {
    section,
    name: "start all: everything that the log holds, then what follows",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publish(numbered(topic, 3));
      const received = await client.subscribe(topic, { start: { kind: "all" } });
      equal(texts(await received.take(3)), ["1", "2", "3"], "held records");
      await client.publishOne(topic, "4");
      equal(texts(await received.take(1)), ["4"], "what follows");
    },
  },
  {
    section,
    name: "start position: what lies after it",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const [, second] = await client.publish(numbered(topic, 4));
      const received = await client.subscribe(topic, {
        start: { kind: "position", seq: second ?? 0, epoch: client.welcome.epoch },
      });
      equal(received.subscribed.resume.kind, "replay", "SUBSCRIBED.resume");
      equal(texts(await received.take(2)), ["3", "4"], "delivered");
    },
  },
  {
    section,
    name: "start position of another epoch is answered epochChanged",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publishOne(topic, "1");
      const received = await client.subscribe(topic, { start: { kind: "position", seq: 1, epoch: "no-such-epoch" } });
      equal(received.subscribed.resume.kind, "epochChanged", "SUBSCRIBED.resume");
      equal(texts(await received.take(1)), ["1"], "delivered from the first seq held");
    },
  },
  {
    section,
    name: "start position past the end of the log is answered ahead",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const seq = await client.publishOne(world.topic("other"), "x");
      const received = await client.subscribe(topic, {
        start: { kind: "position", seq: seq + 1_000_000, epoch: client.welcome.epoch },
      });
      const { resume, chains } = received.subscribed;
      check(
        resume.kind === "ahead" && resume.last >= seq && resume.last < seq + 1_000_000,
        `SUBSCRIBED.resume is ${JSON.stringify(resume)}`,
      );
      equal(
        chains.every(({ last }) => last === resume.last),
        true,
        "last of the chains is the end of the log",
      );
      await client.publishOne(topic, "1");
      equal(texts(await received.take(1)), ["1"], "delivered");
    },
  },
  {
    section,
    name: "start time: from the first record that is not older",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publish(numbered(topic, 3));
      const old = (await client.history(topic)).records.at(-1)?.time ?? 0;
      let time = old;
      for (let n = 0; time <= old; n += 1) {
        await client.publishOne(world.topic("clock"), String(n));
        time = (await client.history(world.topic("clock"), { backward: true, limit: 1 })).records[0]?.time ?? 0;
      }
      await client.publishOne(topic, "newer");
      const received = await client.subscribe(topic, { start: { kind: "time", time } });
      equal(texts(await received.take(1)), ["newer"], "first record");
    },
  },
  {
    section,
    name: "start last: the newest record of each topic, then what follows",
    async run(world) {
      const client = await world.open();
      const [a, b] = [world.topic("last.a"), world.topic("last.b")];
      await client.publish([
        { topic: a, text: "a1" },
        { topic: b, text: "b1" },
        { topic: a, text: "a2" },
        { topic: b, text: "b2" },
        { topic: a, text: "a3" },
      ]);
      const received = await client.subscribe(world.topic("last.*"), { start: { kind: "last" } });
      equal(texts(await received.take(2)), ["b2", "a3"], "newest of each topic");
      await client.publishOne(b, "b3");
      equal(texts(await received.take(1)), ["b3"], "what follows");
    },
  },
  {
    section,
    name: "a position past the end of the log in one lane alone is answered ahead, and delivery goes on",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.subscribe(topic, { qos: 2 });
      const end = await client.publishOne(topic, "1");
      const { epoch } = client.welcome;
      const positions = [{ filter: topic, lane: 2, seq: end + 1_000_000 }] as const;
      const back = await world.resume(client, { epoch, positions });
      const restored = await back.restored(topic);
      equal(restored.subscribed.resume.kind, "ahead", "SUBSCRIBED.resume");
      await back.publishOne(topic, "2");
      equal(texts(await restored.take(1)), ["2"], "the first record after it");
    },
  },
];
