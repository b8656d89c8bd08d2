/**
 * Section "Publishing": numbers, resends, refusals, credit.
 * @module
 */
import { type ErrorName, errorName } from "../../../src/protocol/error-code.ts";
import { type PublishRecord, recordBytes, type Welcome } from "../../../src/protocol/frame.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { CaseSkipped, check, equal } from "../peer.ts";
import { bytes, type ConformanceCase, numbered, texts, toRecords, type World } from "../world.ts";

const section = "Publishing";

/** One bad publish between two good ones: refused by name and settled, the others stored. */
async function refusesOne(world: World, badOf: (welcome: Welcome) => PublishRecord, name: ErrorName): Promise<void> {
  const topic = world.topic("good");
  const client = await world.open();
  const bad = badOf(client.welcome);
  const [before, after] = toRecords(numbered(topic, 2)) as [PublishRecord, PublishRecord];
  client.peer.send({ type: "publish", first: 1, records: [before, bad, after] });
  const refused = [];
  for (let upTo = 0; upTo < 3; ) {
    const answer = await client.peer.expect("published");
    upTo = answer.upTo;
    refused.push(...(answer.refused ?? []));
  }
  equal(
    refused.map(({ n, code }) => [n, errorName(code)]),
    [[2, name]],
    "PUBLISHED.refused",
  );
  check(refused[0]?.cause !== "" && refused[0]?.message !== "", "a refusal has no cause or message");
  equal(texts((await client.history(topic)).records), ["1", "2"], "what the log holds");
}

export const publishingCases: readonly ConformanceCase[] = [
  {
    section,
    name: "PUBLISHED covers numbers 1, 2, 3 and tells ascending seqs",
    async run(world) {
      const client = await world.open();
      const seqs = await client.publish(numbered(world.topic("t"), 3));
      check(
        seqs.every((seq, i) => seq > (seqs[i - 1] ?? 0)),
        `seqs do not ascend: ${seqs.join(", ")}`,
      );
    },
  },
  {
    section,
    name: "PUBLISHED is cumulative over many frames and never goes back",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      for (let n = 1; n <= 200; n += 1)
        client.peer.send({ type: "publish", first: n, records: toRecords([{ topic, text: String(n) }]) });
      let upTo = 0;
      while (upTo < 200) {
        const answer = await client.peer.expect("published");
        check(answer.upTo > upTo || answer.upTo === 0, `PUBLISHED went from ${upTo} to ${answer.upTo}`);
        upTo = answer.upTo;
      }
      equal(upTo, 200, "PUBLISHED.upTo");
      equal(texts((await client.history(topic, { limit: 300 })).records).length, 200, "records in the log");
    },
  },
  {
    section,
    name: "first may be left out: the number after the highest is meant",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      client.peer.send({ type: "publish", records: toRecords(numbered(topic, 2)) });
      await client.settled(1, 2);
      client.peer.send({ type: "publish", records: toRecords([{ topic, text: "3" }]) });
      await client.settled(3, 1);
      const ids = (await client.history(topic)).records.map(({ id }) => id);
      equal(
        ids,
        [1, 2, 3].map((n) => `${client.welcome.session}/${n}`),
        "record ids",
      );
    },
  },
  {
    section,
    name: "a record keeps its topic, payload, headers and lane, and carries the id <session>/<n>",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      const payload = Uint8Array.from({ length: 256 }, (_, i) => i);
      client.peer.send({
        type: "publish",
        first: 1,
        records: [{ topic, payload, lane: 1, headers: { "content-type": "text/plain", ключ: "значение" } }],
      });
      const [seq] = await client.settled(1, 1);
      const record = (await client.history(topic)).records[0];
      equal(
        [record?.seq, record?.topic, record?.id, record?.lane],
        [seq, topic, `${client.welcome.session}/1`, 1],
        "seq, topic, id, lane",
      );
      equal(record?.headers, { "content-type": "text/plain", ключ: "значение" }, "headers");
      equal([...(record?.payload ?? [])], [...payload], "payload");
    },
  },
  {
    section,
    name: "an empty payload is a payload",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      client.peer.send({ type: "publish", first: 1, records: [{ topic, payload: new Uint8Array(0) }] });
      await client.settled(1, 1);
      equal(
        (await client.history(topic)).records.map(({ payload }) => payload.byteLength),
        [0],
        "payload lengths",
      );
    },
  },
  {
    section,
    name: "a resend on the same connection is settled and not stored again",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      await client.publish(numbered(topic, 3));
      client.peer.send({ type: "publish", first: 2, records: toRecords(numbered(topic, 3).slice(1)) });
      await client.publishOne(topic, "4");
      equal(texts((await client.history(topic)).records), ["1", "2", "3", "4"], "what the log holds");
    },
  },
  {
    section,
    name: "a resend after a resume is stored once, and what is new behind it too",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      await client.publish(numbered(topic, 5));
      const back = await world.resume(client);
      equal(back.welcome.publishedUpTo, 5, "WELCOME.publishedUpTo");
      back.peer.send({ type: "publish", first: 4, records: toRecords(numbered(topic, 7).slice(3)) });
      await back.settled(4, 4);
      equal(texts((await back.history(topic)).records), ["1", "2", "3", "4", "5", "6", "7"], "what the log holds");
    },
  },
  {
    section,
    name: "publishes cut off by a lost socket are stored once when they are sent again",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      const items = numbered(topic, 50);
      for (const [i, item] of items.entries())
        client.peer.send({ type: "publish", first: i + 1, records: toRecords([item]) });
      const back = await world.resume(client);
      const settled = back.welcome.publishedUpTo;
      if (settled < 50) {
        back.peer.send({ type: "publish", first: settled + 1, records: toRecords(items.slice(settled)) });
        await back.settled(settled + 1, 50 - settled);
      }
      equal(
        texts((await back.history(topic)).records),
        items.map(({ text }) => text),
        "what the log holds",
      );
    },
  },
  {
    section,
    name: "a gap in the numbers closes with protocolViolation, cause publishNumbering",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      await client.publishOne(topic, "1");
      client.peer.send({ type: "publish", first: 3, records: toRecords([{ topic, text: "3" }]) });
      equal((await client.peer.ended("protocolViolation")).cause, "publishNumbering", "GOAWAY.cause");
    },
  },
  {
    section,
    name: "a topic with a wildcard is refused with badTopic",
    run: (world) => refusesOne(world, () => ({ topic: world.topic("a.*"), payload: bytes("x") }), "badTopic"),
  },
  {
    section,
    name: "a topic with an empty token is refused with badTopic",
    run: (world) => refusesOne(world, () => ({ topic: world.topic("a..b"), payload: bytes("x") }), "badTopic"),
  },
  {
    section,
    name: "a topic with white space is refused with badTopic",
    run: (world) => refusesOne(world, () => ({ topic: world.topic("a b"), payload: bytes("x") }), "badTopic"),
  },
  {
    section,
    name: "a topic that begins with $ is refused with reservedTopic",
    run: (world) => refusesOne(world, () => ({ topic: "$dead.conformance", payload: bytes("x") }), "reservedTopic"),
  },
  {
    section,
    name: "a payload of one byte more than payloadBytesMax is refused with payloadTooLarge",
    run: (world) =>
      refusesOne(
        world,
        (welcome) => ({ topic: world.topic("t"), payload: new Uint8Array(welcome.payloadBytesMax + 1) }),
        "payloadTooLarge",
      ),
  },
  {
    section,
    name: "a payload of payloadBytesMax is stored",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      const payload = new Uint8Array(client.welcome.payloadBytesMax).fill(0x61);
      const received = await client.subscribe(topic);
      client.peer.send({ type: "publish", first: 1, records: [{ topic, payload }] });
      await client.settled(1, 1);
      equal((await received.take(1))[0]?.payload.byteLength, payload.byteLength, "delivered bytes");
    },
  },
  {
    section,
    name: "headers of more than headersBytesMax are refused with headersTooLarge",
    run: (world) => {
      const headers = Object.fromEntries(
        ["a", "b", "c", "d", "e"].map((name) => [name, "x".repeat(limits.headersBytesMax / 4)]),
      );
      return refusesOne(world, () => ({ topic: world.topic("t"), payload: bytes("x"), headers }), "headersTooLarge");
    },
  },
  {
    section,
    name: "a topic of more than topicBytesMax is refused with badTopic, and the numbers go on",
    run: (world) => {
      const topic = `${world.topic("t")}${"x".repeat(limits.topicBytesMax)}`;
      return refusesOne(world, () => ({ topic, payload: bytes("x") }), "badTopic");
    },
  },
  {
    section,
    name: "more headers than headersPerRecordMax are refused with headersTooLarge, and the numbers go on",
    run: (world) => {
      const names = Array.from({ length: limits.headersPerRecordMax + 1 }, (_, i) => [`h${i}`, ""]);
      const record = { topic: world.topic("t"), payload: bytes("x"), headers: Object.fromEntries(names) };
      return refusesOne(world, () => record, "headersTooLarge");
    },
  },
  {
    section,
    name: "a header value of more than textBytesMax is refused with headersTooLarge, and the numbers go on",
    run: (world) => {
      const headers = { h: "x".repeat(limits.textBytesMax + 1) };
      return refusesOne(world, () => ({ topic: world.topic("t"), payload: bytes("x"), headers }), "headersTooLarge");
    },
  },
  {
    section,
    name: "first of 0 is refused with badFrameShape and the connection goes on",
    async run(world) {
      const client = await world.open();
      client.peer.send({ type: "publish", first: 0, records: toRecords([{ topic: world.topic("t"), text: "0" }]) });
      await client.peer.refusal("badFrameShape");
      check((await client.publishOne(world.topic("t"), "1")) > 0, "the next publish is stored");
    },
  },
  {
    section,
    name: "no publish has a number past 2^53 − 1: close with protocolViolation, cause publishNumbering",
    async run(world) {
      const client = await world.open();
      const settled = Number.MAX_SAFE_INTEGER - 1;
      const back = await world.resume(client, { settled });
      equal(back.welcome.publishedUpTo, settled, "WELCOME.publishedUpTo");
      await back.publishOne(world.topic("t"), "the last one");
      back.peer.send({ type: "publish", records: toRecords([{ topic: world.topic("t"), text: "one more" }]) });
      equal((await back.peer.ended("protocolViolation")).cause, "publishNumbering", "GOAWAY.cause");
    },
  },
  {
    section,
    name: "WELCOME repeats refused publishes until the client reports them settled",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      client.peer.send({
        type: "publish",
        first: 1,
        records: [
          { topic: world.topic("a.*"), payload: bytes("x") },
          { topic, payload: bytes("2") },
        ],
      });
      await client.settled(1, 2);
      const once = await world.resume(client);
      equal(
        once.welcome.refused?.map(({ n, code }) => [n, errorName(code)]),
        [[1, "badTopic"]],
        "WELCOME.refused",
      );
      const twice = await world.resume(once, { settled: 2 });
      equal(twice.welcome.refused?.length ?? 0, 0, "refused publishes after settled: 2");
    },
  },
  {
    section,
    name: "a frame of more records than the credit closes with creditOverrun",
    async run(world) {
      const { peer, welcome } = await world.open();
      const { records } = welcome.credit;
      if (records >= limits.listItemsMax)
        throw new CaseSkipped(`The credit of ${records} records is more than one frame can carry`);
      peer.send({ type: "publish", first: 1, records: toRecords(numbered(world.topic("t"), records + 1)) });
      await peer.ended("creditOverrun");
    },
  },
  {
    section,
    name: "publishes of open transactions count against the credit",
    async run(world) {
      const { peer, welcome } = await world.open();
      // Open transactions hold credit until they end, so the overrun does not depend on how fast the log is.
      const record: PublishRecord = {
        topic: world.topic("t"),
        payload: new Uint8Array(Math.min(welcome.payloadBytesMax, limits.transactionBytesMax) - 4_096),
      };
      const each = recordBytes(record);
      const fitting = Math.floor(welcome.credit.bytes / each);
      if (!welcome.features.includes("transactions")) throw new CaseSkipped("The gateway offers no transactions");
      if (fitting > limits.transactionsOpenMax)
        throw new CaseSkipped(`The credit of ${welcome.credit.bytes} bytes is more than open transactions can hold`);
      for (let tx = 1; tx <= fitting; tx += 1) {
        peer.send({ type: "begin", tx });
        peer.send({ type: "publish", tx, records: [record] });
      }
      await peer.fence();
      equal(peer.unread("error"), [], "errors while inside the credit");
      peer.send({ type: "publish", first: 1, records: [record] });
      await peer.ended("creditOverrun");
    },
  },
];
