/**
 * Sections "Delivery" and "Redelivery": windows, acknowledgements, holes, retransmission, NAK, dead letters.
 * @module
 */
import { errorName } from "../../../src/protocol/error-code.ts";
import { recordBytes } from "../../../src/protocol/frame.ts";
import { check, equal, show } from "../peer.ts";
import type { Reception } from "../reception.ts";
import { type ConformanceCase, numbered, text, texts, toRecords, type World } from "../world.ts";

const section = "Delivery";
const redelivery = "Redelivery";
const normal = 2;

/** A subscription to a topic of `count` records, with nothing received yet. */
async function behind(world: World, count: number, window: { records: number; bytes: number }) {
  const topic = world.topic("t");
  const client = await world.open();
  await client.publish(numbered(topic, count));
  return { client, topic, received: await client.subscribe(topic, { start: { kind: "all" }, window }) };
}

/** One record, received and not acknowledged, of a subscription made with these options. */
async function unacknowledged(world: World, options: { maxDeliver?: number; ackWaitMs?: number } = {}) {
  const topic = world.topic("t");
  const client = await world.open();
  const received = await client.subscribe(topic, options);
  const seq = await client.publishOne(topic, "work");
  await received.take(1);
  return { client, topic, received, seq, chain: received.chain(normal) };
}

function nak(received: Reception, seq: number, more: { delayMs?: number; reason?: string } = {}): void {
  received.peer.send({ type: "nak", chain: received.chain(normal), seq, ...more });
}

export const deliveryCases: readonly ConformanceCase[] = [
  {
    section,
    name: "never more records than the window are delivered and not ACKed; ACK gives them back",
    async run(world) {
      const { client, received } = await behind(world, 25, { records: 10, bytes: 600_000 });
      equal(received.subscribed.window, { records: 10, bytes: 600_000 }, "SUBSCRIBED.window");
      await received.take(10);
      await world.flush(client);
      equal((await received.pending()).length, 0, "records past the window");
      received.ack();
      await received.take(10);
      await world.flush(client);
      equal((await received.pending()).length, 0, "records past the window, after an ACK");
      received.ack();
      equal(texts(await received.take(5)), ["21", "22", "23", "24", "25"], "the rest");
    },
  },
  {
    section,
    name: "never more bytes than the window are delivered and not ACKed",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const items = Array.from({ length: 20 }, (_, i) => ({ topic, text: String(i).padStart(1_000, "0") }));
      await client.publish(items);
      const each = recordBytes(toRecords(items)[0] as { topic: string; payload: Uint8Array });
      const received = await client.subscribe(topic, {
        start: { kind: "all" },
        window: { records: 1_000, bytes: 6 * each + 1 },
      });
      for (let count = 0; count < 20; ) {
        await received.take(1);
        await world.flush(client);
        const more = (await received.pending()).length;
        await received.take(more);
        check(
          received.unackedTotal().bytes <= 6 * each + 1,
          `${received.unackedTotal().bytes} bytes are unacknowledged in a window of ${6 * each + 1}`,
        );
        count += 1 + more;
        received.ack();
      }
    },
  },
  {
    section,
    name: "the window counts the records of all lanes together",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publish(
        Array.from({ length: 24 }, (_, i) => ({ topic, text: String(i), lane: (i % 4) as 0 | 1 | 2 | 3 })),
      );
      const received = await client.subscribe(topic, {
        start: { kind: "all" },
        window: { records: 8, bytes: 600_000 },
      });
      await received.take(8);
      await world.flush(client);
      equal((await received.pending()).length, 0, "records past the window");
    },
  },
  {
    section,
    name: "one record that is larger than the window is delivered alone",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      await client.publish([
        { topic, text: "x".repeat(5_000) },
        { topic, text: "y" },
      ]);
      const received = await client.subscribe(topic, { start: { kind: "all" }, window: { records: 10, bytes: 1_000 } });
      equal((await received.take(1))[0]?.payload.byteLength, 5_000, "bytes of the large record");
      await world.flush(client);
      equal((await received.pending()).length, 0, "records past the window");
      received.ack();
      equal(texts(await received.take(1)), ["y"], "the next record");
    },
  },
  {
    section,
    name: "CREDIT sets a wider window",
    async run(world) {
      const { client, topic, received } = await behind(world, 20, { records: 5, bytes: 600_000 });
      await received.take(5);
      client.peer.send({ type: "credit", filter: topic, records: 15, bytes: 600_000 });
      await received.take(10);
      await world.flush(client);
      equal((await received.pending()).length, 0, "records past the wider window");
    },
  },
  {
    section,
    name: "CREDIT sets a narrower window",
    async run(world) {
      const { client, topic, received } = await behind(world, 20, { records: 5, bytes: 600_000 });
      await received.take(5);
      client.peer.send({ type: "credit", filter: topic, records: 2, bytes: 600_000 });
      received.ack();
      await received.take(2);
      await world.flush(client);
      equal((await received.pending()).length, 0, "records past the narrower window");
    },
  },
  {
    section,
    name: "a live subscription respects its window, too",
    async run(world) {
      const topic = world.topic("t");
      const reader = await world.open();
      const received = await reader.subscribe(topic, { window: { records: 10, bytes: 600_000 } });
      const writer = await world.open();
      for (let n = 1; n <= 30; n += 1) await writer.publishOne(topic, String(n));
      await received.take(10);
      await world.flush(reader);
      equal((await received.pending()).length, 0, "records past the window");
      received.ack();
      await received.take(10);
      received.ack();
      equal(texts(await received.take(10)).at(-1), "30", "the last record");
    },
  },
  {
    section,
    name: "a window that is full does not hold back other subscriptions of the connection",
    async run(world) {
      const { client, received } = await behind(world, 10, { records: 2, bytes: 600_000 });
      await received.take(2);
      const other = await client.subscribe(world.topic("other"));
      await client.publishOne(world.topic("other"), "through");
      equal(texts(await other.take(1)), ["through"], "the other subscription");
    },
  },
  {
    section,
    name: "2 000 records pass a window of 16 without a hole or a copy",
    async run(world) {
      const { received } = await behind(world, 2_000, { records: 16, bytes: 600_000 });
      const seen: string[] = [];
      while (seen.length < 2_000) {
        seen.push(...texts(await received.take(1)));
        if (received.unacked.length >= 8) received.ack();
      }
      equal(
        seen.join() ===
          numbered("t", 2_000)
            .map((item) => item.text)
            .join(),
        true,
        "1 … 2000 in order",
      );
    },
  },
  {
    section,
    name: "a reported hole is mended: delivery goes on after the receiver's last",
    async run(world) {
      const { client, topic, received } = await behind(world, 6, { records: 100, bytes: 600_000 });
      const records = await received.take(6);
      const last = records[1]?.seq ?? 0;
      client.peer.send({
        type: "credit",
        filter: topic,
        records: 0,
        bytes: 0,
        holes: [{ chain: received.chain(normal), seq: last }],
      });
      received.last.set(received.chain(normal), last);
      equal(texts(await received.take(4)), ["3", "4", "5", "6"], "delivered again");
    },
  },
  {
    section,
    name: "an ACK beyond what was delivered is refused with badPosition",
    async run(world) {
      const { client, received, seq, chain } = await unacknowledged(world);
      client.peer.send({ type: "ack", upTo: [{ chain, seq: seq + 1_000_000 }] });
      await received.peer.refusal("badPosition");
    },
  },
  {
    section,
    name: "an ACK below the acknowledged position changes nothing",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const received = await client.subscribe(topic);
      await client.publish(numbered(topic, 3));
      const [first] = await received.take(3);
      received.ack();
      client.peer.send({ type: "ack", upTo: [{ chain: received.chain(normal), seq: first?.seq ?? 0 }] });
      const back = await world.resume(client);
      const after = await back.restored(topic);
      await back.publishOne(topic, "4");
      equal(texts(await after.take(1)), ["4"], "first record after the resume");
    },
  },
  {
    section,
    name: "an ACK for a chain that was never told is refused with unknownChain",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "ack", upTo: [{ chain: 4_000_000, seq: 1 }] });
      await peer.refusal("unknownChain");
    },
  },
  {
    section: redelivery,
    name: "what is not ACKed within ackWaitMs is delivered again from the acknowledged position",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const received = await client.subscribe(topic, { ackWaitMs: 100 });
      await client.publish(numbered(topic, 3));
      const [first] = await received.take(3);
      client.peer.send({ type: "ack", upTo: [{ chain: received.chain(normal), seq: first?.seq ?? 0 }] });
      let again = await received.frame();
      while (again.records.length === 0) again = await received.frame();
      check(
        again.prev <= (first?.seq ?? 0),
        `retransmission starts after ${again.prev}, acknowledged is ${first?.seq}`,
      );
      equal(
        text(again.records.filter(({ seq }) => seq > (first?.seq ?? 0))[0]?.payload ?? new Uint8Array()),
        "2",
        "first record again",
      );
    },
  },
  {
    section: redelivery,
    name: "a NAKed record comes again as attempt 2",
    async run(world) {
      const { received, seq } = await unacknowledged(world);
      nak(received, seq, { delayMs: 1 });
      const again = await received.redelivery();
      equal(
        [again.attempt, again.chain, again.records.map((record) => record.seq)],
        [2, received.chain(normal), [seq]],
        "attempt, chain, seqs",
      );
      equal(texts(again.records), ["work"], "payload");
    },
  },
  {
    section: redelivery,
    name: "a NAKed record does not come before its delay",
    async run(world) {
      const { received, seq } = await unacknowledged(world);
      const from = performance.now();
      nak(received, seq, { delayMs: 300 });
      await received.redelivery();
      const waited = performance.now() - from;
      check(waited >= 290, `redelivered after ${Math.round(waited)} ms, the delay is 300 ms`);
    },
  },
  {
    section: redelivery,
    name: "a record NAKed again comes as attempt 3",
    async run(world) {
      const { received, seq } = await unacknowledged(world);
      for (const attempt of [2, 3]) {
        nak(received, seq, { delayMs: 1 });
        equal((await received.redelivery()).attempt, attempt, "attempt");
      }
    },
  },
  {
    section: redelivery,
    name: "a NAK does not hold back the records behind it",
    async run(world) {
      const { client, topic, received, seq } = await unacknowledged(world);
      nak(received, seq, { delayMs: 60_000 });
      received.ack();
      await client.publishOne(topic, "next");
      equal(texts(await received.take(1)), ["next"], "the next record");
    },
  },
  {
    section: redelivery,
    name: "a NAKed record survives a resume, though the position moved past it",
    async run(world) {
      const { client, topic, received, seq } = await unacknowledged(world);
      nak(received, seq, { delayMs: 200 });
      received.ack();
      await client.peer.fence();
      const after = await (await world.resume(client)).restored(topic);
      equal(
        (await after.redelivery()).records.map((record) => record.seq),
        [seq],
        "redelivered seqs",
      );
    },
  },
  {
    section: redelivery,
    name: "a redelivered record that is ACKed with only is not delivered again",
    async run(world) {
      const { client, topic, received, seq, chain } = await unacknowledged(world);
      nak(received, seq, { delayMs: 1 });
      received.ack();
      await received.redelivery();
      client.peer.send({ type: "ack", only: [{ chain, seq }] });
      await client.peer.fence();
      const back = await world.resume(client);
      const after = await back.restored(topic);
      await back.publishOne(topic, "next");
      equal(texts(await after.take(1)), ["next"], "first record after the resume");
      equal(back.peer.unread("deliver").filter(({ attempt }) => attempt !== undefined).length, 0, "redeliveries");
    },
  },
  {
    section: redelivery,
    name: "after maxDeliver tries a record goes to $dead.<topic> with its cause, and the client is told",
    async run(world) {
      const { client, topic, received, seq, chain } = await unacknowledged(world, { maxDeliver: 2 });
      nak(received, seq, { delayMs: 1 });
      await received.redelivery();
      nak(received, seq, { delayMs: 1, reason: "cannot parse" });
      const told = await client.peer.refusal("deadLettered");
      equal([errorName(told.code), told.chain, told.seq], ["deadLettered", chain, seq], "ERROR");
      const dead = (await client.history(`$dead.${topic}`)).records;
      equal(texts(dead), ["work"], "records in the dead-letter topic");
      const headers = dead[0]?.headers ?? {};
      equal(
        [headers["weir-topic"], headers["weir-seq"], headers["weir-session"], headers["weir-attempts"]],
        [topic, String(seq), client.welcome.session, "2"],
        "headers",
      );
      check(
        (headers["weir-cause"] ?? "").includes("cannot parse"),
        `weir-cause does not hold the reason: ${show(headers)}`,
      );
    },
  },
  {
    section: redelivery,
    name: "a NAK of a record that was not delivered is refused with badPosition",
    async run(world) {
      const { received, seq } = await unacknowledged(world);
      nak(received, seq + 1_000_000);
      await received.peer.refusal("badPosition");
    },
  },
  {
    section: redelivery,
    name: "a NAK for a chain that was never told is refused with unknownChain",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "nak", chain: 4_000_000, seq: 1 });
      await peer.refusal("unknownChain");
    },
  },
];
