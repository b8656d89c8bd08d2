/**
 * Section "Transactions".
 * @module
 */
import { CaseSkipped, check, equal } from "../peer.ts";
import {
  bytes,
  type Client,
  type ConformanceCase,
  numbered,
  type PublishText,
  texts,
  toRecords,
  type World,
} from "../world.ts";

const section = "Transactions";

async function transactional(world: World): Promise<Client> {
  const client = await world.open();
  if (!client.welcome.features.includes("transactions")) throw new CaseSkipped("The gateway offers no transactions");
  return client;
}

function begin(client: Client, tx: number, items: readonly PublishText[]): void {
  client.peer.send({ type: "begin", tx });
  if (items.length > 0) client.peer.send({ type: "publish", tx, records: toRecords(items) });
}

async function commit(client: Client, tx: number) {
  client.peer.send({ type: "commit", tx });
  return await client.peer.expect("committed", (frame) => frame.tx === tx);
}

export const transactionCases: readonly ConformanceCase[] = [
  {
    section,
    name: "COMMIT stores all records of a transaction together, with ids <session>/tx/<tx>/<i>",
    async run(world) {
      const client = await transactional(world);
      const [a, b] = [world.topic("a"), world.topic("b")];
      begin(client, 1, [{ topic: a, text: "1" }]);
      client.peer.send({
        type: "publish",
        tx: 1,
        records: toRecords([
          { topic: b, text: "2" },
          { topic: a, text: "3" },
        ]),
      });
      const committed = await commit(client, 1);
      const records = (await client.history(world.topic("*"))).records;
      equal(texts(records), ["1", "2", "3"], "records");
      equal(
        records.map(({ id }) => id.replace(/\d+$/, "")),
        new Array(3).fill(`${client.welcome.session}/tx/1/`),
        "record ids without their index",
      );
      equal(new Set(records.map(({ id }) => id)).size, 3, "distinct ids");
      equal(
        [committed.firstSeq, committed.lastSeq],
        [records[0]?.seq, records[2]?.seq],
        "COMMITTED first and last seq",
      );
      equal(
        records.map(({ seq }) => seq - (records[0]?.seq ?? 0)),
        [0, 1, 2],
        "consecutive seqs",
      );
    },
  },
  {
    section,
    name: "nothing of a transaction is seen before COMMIT",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      const received = await (await world.open()).subscribe(topic);
      begin(client, 1, numbered(topic, 2));
      await world.flush(client);
      equal((await client.history(topic)).records.length, 0, "records before COMMIT");
      await commit(client, 1);
      equal(texts(await received.take(2)), ["1", "2"], "delivered after COMMIT");
    },
  },
  {
    section,
    name: "ROLLBACK stores nothing",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, numbered(topic, 2));
      client.peer.send({ type: "rollback", tx: 1 });
      await client.publishOne(topic, "after");
      equal(texts((await client.history(topic)).records), ["after"], "what the log holds");
    },
  },
  {
    section,
    name: "a lost connection rolls back what was not committed",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, numbered(topic, 2));
      await client.peer.fence();
      const back = await world.resume(client);
      equal((await back.history(topic)).records.length, 0, "records in the log");
      back.peer.send({ type: "commit", tx: 1 });
      await back.peer.refusal("unknownTransaction", (frame) => frame.tx === 1);
    },
  },
  {
    section,
    name: "a committed transaction that is sent again is answered duplicate and stored once",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, numbered(topic, 2));
      const first = await commit(client, 1);
      const back = await world.resume(client);
      begin(back, 1, numbered(topic, 2));
      const second = await commit(back, 1);
      equal(second.duplicate, true, "COMMITTED.duplicate");
      equal([second.firstSeq, second.lastSeq], [first.firstSeq, first.lastSeq], "COMMITTED first and last seq");
      equal(texts((await back.history(topic)).records), ["1", "2"], "what the log holds");
    },
  },
  {
    section,
    name: "publishes of a transaction are not numbered",
    async run(world) {
      const client = await transactional(world);
      begin(client, 1, numbered(world.topic("t"), 3));
      await commit(client, 1);
      await client.publishOne(world.topic("t"), "numbered 1");
      equal((await world.resume(client)).welcome.publishedUpTo, 1, "WELCOME.publishedUpTo");
    },
  },
  {
    section,
    name: "two open transactions do not mix",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, [{ topic, text: "one" }]);
      begin(client, 2, [{ topic, text: "two" }]);
      client.peer.send({ type: "rollback", tx: 1 });
      await commit(client, 2);
      equal(texts((await client.history(topic)).records), ["two"], "what the log holds");
    },
  },
  {
    section,
    name: "PUBLISH into a transaction that was not begun is refused with unknownTransaction",
    async run(world) {
      const client = await transactional(world);
      client.peer.send({ type: "publish", tx: 9, records: toRecords(numbered(world.topic("t"), 1)) });
      await client.peer.refusal("unknownTransaction", (frame) => frame.tx === 9);
    },
  },
  {
    section,
    name: "COMMIT of a transaction that was not begun is refused with unknownTransaction",
    async run(world) {
      const client = await transactional(world);
      client.peer.send({ type: "commit", tx: 9 });
      await client.peer.refusal("unknownTransaction", (frame) => frame.tx === 9);
    },
  },
  {
    section,
    name: "a refused publish fails its transaction: ERROR with its tx, nothing is stored",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, [{ topic, text: "good" }]);
      client.peer.send({ type: "publish", tx: 1, records: [{ topic: world.topic("bad.*"), payload: bytes("x") }] });
      await client.peer.refusal("badTopic", (frame) => frame.tx === 1);
      client.peer.send({ type: "commit", tx: 1 });
      await client.peer.refusal("unknownTransaction", (frame) => frame.tx === 1);
      equal((await client.history(topic)).records.length, 0, "records in the log");
    },
  },
  {
    section,
    name: "too many open transactions are refused with tooManyTransactions",
    async run(world) {
      const { peer } = await transactional(world);
      for (let tx = 1; tx <= 100; tx += 1) peer.send({ type: "begin", tx });
      const refused = await peer.refusal("tooManyTransactions");
      check((refused.tx ?? 0) > 1, `ERROR tooManyTransactions names tx ${refused.tx}`);
    },
  },
  {
    section,
    name: "a transaction of too many records is refused with transactionTooLarge and rolled back",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, numbered(topic, 4_000));
      await client.peer.refusal("transactionTooLarge", (frame) => frame.tx === 1);
      await client.peer.fence();
      equal((await client.history(topic)).records.length, 0, "records in the log");
    },
  },
  {
    section,
    name: "ACKs of a transaction take effect with COMMIT",
    async run(world) {
      const client = await transactional(world);
      const [input, output] = [world.topic("in"), world.topic("out")];
      const received = await client.subscribe(input);
      await client.publish(numbered(input, 2));
      const [first] = await received.take(2);
      begin(client, 1, [{ topic: output, text: "made of 1" }]);
      client.peer.send({ type: "ack", tx: 1, upTo: [{ chain: received.chain(2), seq: first?.seq ?? 0 }] });
      await commit(client, 1);
      const back = await world.resume(client);
      const after = await back.restored(input);
      equal(texts(await after.take(1)), ["2"], "first record after the resume");
      equal(texts((await back.history(output)).records), ["made of 1"], "output");
    },
  },
  {
    section,
    name: "an ACK of a transaction beyond what was delivered fails it with badPosition",
    async run(world) {
      const client = await transactional(world);
      const [input, output] = [world.topic("in"), world.topic("out")];
      const received = await client.subscribe(input);
      const seq = await client.publishOne(input, "1");
      await received.take(1);
      begin(client, 1, [{ topic: output, text: "made of what is not there" }]);
      client.peer.send({ type: "ack", tx: 1, upTo: [{ chain: received.chain(2), seq: seq + 1_000_000 }] });
      client.peer.send({ type: "commit", tx: 1 });
      await client.peer.refusal("badPosition", (frame) => frame.tx === 1);
      await client.peer.fence();
      equal((await client.history(output)).records.length, 0, "output");
    },
  },
  {
    section,
    name: "BEGIN of a transaction that is open is refused and leaves it whole",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      begin(client, 1, [{ topic, text: "1" }]);
      client.peer.send({ type: "begin", tx: 1 });
      await client.peer.refusal("unexpectedFrame", (frame) => frame.tx === 1);
      await commit(client, 1);
      equal(texts((await client.history(topic)).records), ["1"], "what the log holds");
    },
  },
  {
    section,
    name: "ACKs of a transaction that is rolled back have no effect",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("in");
      const received = await client.subscribe(topic);
      await client.publish(numbered(topic, 2));
      const [first] = await received.take(2);
      begin(client, 1, []);
      client.peer.send({ type: "ack", tx: 1, upTo: [{ chain: received.chain(2), seq: first?.seq ?? 0 }] });
      client.peer.send({ type: "rollback", tx: 1 });
      await client.peer.fence();
      const after = await (await world.resume(client)).restored(topic);
      equal(texts(await after.take(2)), ["1", "2"], "delivered again after the resume");
    },
  },
  {
    section,
    name: "a transaction of ACKs alone commits with seqs 0",
    async run(world) {
      const client = await transactional(world);
      const received = await client.subscribe(world.topic("in"));
      const seq = await client.publishOne(world.topic("in"), "1");
      await received.take(1);
      begin(client, 1, []);
      client.peer.send({ type: "ack", tx: 1, upTo: [{ chain: received.chain(2), seq }] });
      const committed = await commit(client, 1);
      equal([committed.firstSeq, committed.lastSeq], [0, 0], "COMMITTED first and last seq");
    },
  },
  {
    section,
    name: "PUBLISH with tx and first is refused with badFrameShape, and the transaction goes on",
    async run(world) {
      const client = await transactional(world);
      const topic = world.topic("t");
      client.peer.send({ type: "begin", tx: 1 });
      client.peer.send({ type: "publish", tx: 1, first: 1, records: toRecords([{ topic, text: "numbered" }]) });
      await client.peer.refusal("badFrameShape", (frame) => frame.tx === 1);
      client.peer.send({ type: "publish", tx: 1, records: toRecords([{ topic, text: "in it" }]) });
      client.peer.send({ type: "commit", tx: 1 });
      await client.peer.expect("committed");
      equal(texts((await client.history(topic)).records), ["in it"], "records");
    },
  },
];
