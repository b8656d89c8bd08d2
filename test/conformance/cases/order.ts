/**
 * Section "Subscribing": frames are handled in the order they were sent, and what a frame may not say.
 * @module
 */
import { check, equal } from "../peer.ts";
import { type ConformanceCase, numbered, texts } from "../world.ts";

const section = "Subscribing";

export const orderCases: readonly ConformanceCase[] = [
  {
    section,
    name: "UNSUBSCRIBE sent right behind its SUBSCRIBE is answered after it",
    async run(world) {
      const { peer } = await world.open();
      const filter = world.topic("t");
      peer.send({ type: "subscribe", ref: 1, filter });
      peer.send({ type: "unsubscribe", ref: 2, filter });
      peer.send({ type: "subscribe", ref: 3, filter });
      const answers = [await peer.next(), await peer.next(), await peer.next()];
      equal(
        answers.map((frame) => `${frame.type} ${"ref" in frame ? frame.ref : ""}`),
        ["subscribed 1", "unsubscribed 2", "subscribed 3"],
        "answers",
      );
    },
  },
  {
    section,
    name: "numbers that begin with 1 are refused when they are 0, and so is an empty PUBLISH",
    async run(world) {
      const { peer } = await world.open();
      const filter = world.topic("t");
      peer.send({ type: "subscribe", ref: 0, filter });
      peer.send({ type: "begin", tx: 0 });
      peer.send({ type: "read", ref: 7, filter, limit: 0 });
      peer.send({ type: "publish", records: [] });
      for (let i = 0; i < 4; i++) equal((await peer.expect("error")).cause, "badFrameShape", "cause");
    },
  },
  {
    section,
    name: "start last goes on as such after a resume before the first ACK",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      await client.publish(numbered(topic, 5));
      const received = await client.subscribe(topic, { qos: 1, start: { kind: "last" } });
      equal((await received.take(1)).length, 1, "records before the resume");
      client.peer.close();
      await client.peer.closed();
      const { session, resumeKey } = client.welcome;
      const again = await world.open({ session, resumeKey });
      await again.peer.expect("subscribed");
      const frame = await again.peer.expect("deliver");
      check(frame.records.length === 1, `${frame.records.length} records after the resume, expected the newest alone`);
    },
  },
  {
    section: "Delivery",
    name: "half of a window that is ACKed is delivered anew, although one frame filled it",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publish(numbered(topic, 20));
      const window = { records: 10, bytes: 100_000 };
      const received = await client.subscribe(topic, { start: { kind: "all" }, window });
      const records = await received.take(10);
      client.peer.send({ type: "ack", upTo: [{ chain: received.chain(2), seq: records[4]?.seq ?? 0 }] });
      equal(texts(await received.take(5)), ["11", "12", "13", "14", "15"], "records after five of ten were ACKed");
    },
  },
];
