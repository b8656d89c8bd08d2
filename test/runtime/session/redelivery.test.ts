/**
 * A record that is given back comes again when it is due, with its number of tries, and ends in the dead-letter topic.
 */
import { expect, test } from "bun:test";
import type { Nak } from "../../../src/protocol/frame.ts";
import { limits } from "../../../src/protocol/limits.ts";
import type { AppendResult, EventLog } from "../../../src/runtime/log/event-log.ts";
import type { Client } from "../../conformance/world.ts";
import { texts } from "../../conformance/world.ts";
import { replaced, Stage, SteeredClock, until } from "../../gateway/stage.ts";

/** A subscriber that received one record of `job.1` and has not answered it. */
async function received(stage: Stage, options: { readonly maxDeliver?: number; readonly ackWaitMs?: number } = {}) {
  // Two sessions: the subscriber's journal then moves by its NAKs alone.
  const [client, publisher] = [await stage.world().open(), await stage.world().open()];
  const reception = await client.subscribe("job.*", { qos: 1, ...options });
  const seq = await publisher.publishOne("job.1", "work");
  await reception.take(1);
  const chain = reception.chain(2);
  return { client, publisher, reception, seq, chain };
}

/** Gives the record back; resolves when the journal holds it and its timer runs. */
async function nak(stage: Stage, client: Client, frame: Omit<Nak, "type">): Promise<void> {
  const written = () => stage.log.journals.lastSeq({ kind: "session", id: client.welcome.session });
  await client.peer.fence();
  const before = await written();
  client.peer.send({ type: "nak", ...frame });
  await until(async () => (await written()) > before, "the journal holds the NAK");
  await client.peer.fence();
}

/** Time passes, and everything that it wakes has been sent. */
async function pass(clock: SteeredClock, client: Client, ms: number): Promise<void> {
  await client.peer.fence();
  clock.advance(ms);
  await client.peer.fence();
}

function redeliveries(client: Client): readonly (number | undefined)[] {
  return client.peer.unread("deliver").flatMap(({ attempt }) => (attempt === undefined ? [] : [attempt]));
}

test("nak() with a delay brings the record again after that delay, not before, as try 2", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const { client, reception, seq, chain } = await received(stage);
  await nak(stage, client, { chain, seq, delayMs: 700 });
  await pass(clock, client, 699);
  expect(redeliveries(client)).toEqual([]);
  await pass(clock, client, 1);
  const again = await reception.redelivery();
  expect([again.attempt, again.prev, texts(again.records)]).toEqual([2, seq - 1, ["work"]]);
});

test("nak() without a delay waits twice as long with each try, and try numbers ascend", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const { client, reception, seq, chain } = await received(stage, { maxDeliver: 0, ackWaitMs: 3_600_000 });
  for (const [attempt, waitMs] of [
    [2, limits.nakDelayMs],
    [3, 2 * limits.nakDelayMs],
    [4, 4 * limits.nakDelayMs],
  ] as const) {
    await nak(stage, client, { chain, seq });
    await pass(clock, client, waitMs - 1);
    expect(redeliveries(client)).toEqual([]);
    await pass(clock, client, 1);
    expect((await reception.redelivery()).attempt).toBe(attempt);
  }
});

test("a record that was processed after its redelivery never comes again", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const { client, reception, seq, chain } = await received(stage, { ackWaitMs: 1_000 });
  await nak(stage, client, { chain, seq, delayMs: 10 });
  await pass(clock, client, 10);
  await reception.redelivery();
  client.peer.send({ type: "ack", upTo: [{ chain, seq }], only: [{ chain, seq }] });
  for (let i = 0; i < 5; i++) await pass(clock, client, 1_000);
  expect(redeliveries(client)).toEqual([]);
  expect(await reception.pending()).toEqual([]);
});

test("nak() after maxDeliver tries sends the record to $dead.<topic> once, with its cause, and tells deadLettered", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const { client, publisher, reception, seq, chain } = await received(stage, { maxDeliver: 2 });
  const dead = await (await stage.world().open()).subscribe("$dead.>", { start: { kind: "all" } });
  await nak(stage, client, { chain, seq, delayMs: 5, reason: "first" });
  await pass(clock, client, 5);
  expect((await reception.redelivery()).attempt).toBe(2);
  client.peer.send({ type: "nak", chain, seq, reason: "broken" });
  const refusal = await client.peer.refusal("deadLettered");
  expect([refusal.chain, refusal.seq]).toEqual([chain, seq]);
  const [letter] = await dead.take(1);
  expect(letter?.topic).toBe("$dead.job.1");
  expect(texts([letter as NonNullable<typeof letter>])).toEqual(["work"]);
  expect(letter?.headers).toEqual({
    "weir-cause": "broken",
    "weir-topic": "job.1",
    "weir-seq": String(seq),
    "weir-id": `${publisher.welcome.session}/1`,
    "weir-session": client.welcome.session,
    "weir-attempts": "2",
  });
  for (let i = 0; i < 4; i++) await pass(clock, client, limits.ackWaitMs / 2);
  expect(redeliveries(client)).toEqual([]);
  expect(await dead.pending()).toEqual([]);
});

test.each([1, 2])(
  "a dead letter that a full log refuses is tried again after a delay, not at once, and written once (maxDeliver %d)",
  async (maxDeliver) => {
    const clock = new SteeredClock();
    let [isFull, refused] = [false, 0];
    const refuse = async (): Promise<AppendResult> => {
      refused++;
      return { ok: false, code: "full", message: "No space left", retryable: true };
    };
    const log = (inner: EventLog) =>
      replaced(inner, {
        append: (request) => (isFull && request.once !== undefined ? refuse() : inner.append(request)),
      });
    await using stage = await Stage.open({ clock, log });
    const { client, reception, seq, chain } = await received(stage, { maxDeliver });
    const dead = await (await stage.world().open()).subscribe("$dead.>", { start: { kind: "all" } });
    if (maxDeliver === 2) {
      await nak(stage, client, { chain, seq, delayMs: 5 });
      await pass(clock, client, 5);
      await reception.redelivery();
    }
    isFull = true;
    client.peer.send({ type: "nak", chain, seq, reason: "broken" });
    client.peer.send({ type: "ack", upTo: [{ chain, seq }] });
    await until(() => refused === 1, "the log refuses the letter");
    await pass(clock, client, limits.nakDelayMs - 1);
    expect(refused).toBe(1);
    await until(async () => {
      await pass(clock, client, limits.nakDelayMs);
      return refused > 1;
    }, "the letter is tried again");
    isFull = false;
    await until(async () => {
      await pass(clock, client, limits.nakDelayMs);
      return client.peer.unread("error").length > 0;
    }, "the log takes the letter");
    expect((await client.peer.refusal("deadLettered")).seq).toBe(seq);
    const [letter] = await dead.take(1);
    expect([letter?.topic, letter?.headers?.["weir-cause"], letter?.headers?.["weir-attempts"]]).toEqual([
      "$dead.job.1",
      "broken",
      String(maxDeliver),
    ]);
    for (let i = 0; i < 4; i++) await pass(clock, client, limits.ackWaitMs / 2);
    expect(await dead.pending()).toEqual([]);
    expect(redeliveries(client)).toEqual([]);
  },
);

test("nak() of a seq between that is no record of the chain is refused with badPosition, and nothing is given up", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const { client, publisher, reception, seq, chain } = await received(stage);
  const dead = await (await stage.world().open()).subscribe("$dead.>", { start: { kind: "all" } });
  await publisher.publishOne("other.1", "of nobody");
  // The last of another lane: that lane has got past the first record too.
  await publisher.publish([
    { topic: "job.1", text: "more" },
    { topic: "job.1", text: "later", lane: 3 },
  ]);
  await reception.take(2);
  for (const [wrong, on] of [
    [seq + 1, chain],
    [seq, reception.chain(3)],
  ] as const) {
    await nak(stage, client, { chain: on, seq: wrong, delayMs: 5 });
    await pass(clock, client, 5);
    const refusal = await client.peer.refusal("badPosition");
    expect([refusal.chain, refusal.seq]).toEqual([on, wrong]);
  }
  for (let i = 0; i < 4; i++) await pass(clock, client, limits.ackWaitMs / 4);
  expect(redeliveries(client)).toEqual([]);
  expect(await dead.pending()).toEqual([]);
});

test("nak() of a record that retention removed ends as deadLettered, cause trimmed, without a letter", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const { client, publisher, seq, chain } = await received(stage);
  const dead = await (await stage.world().open()).subscribe("$dead.>", { start: { kind: "all" } });
  await nak(stage, client, { chain, seq, delayMs: 5 });
  await publisher.publishOne("job.1", "more");
  await stage.log.trim({ ageMs: 0, bytes: 0, records: 1 });
  await pass(clock, client, 5);
  const refusal = await client.peer.refusal("deadLettered");
  expect([refusal.cause, refusal.chain, refusal.seq]).toEqual(["trimmed", chain, seq]);
  expect(await dead.pending()).toEqual([]);
});

test("nak() of a record that was not sent is refused with badPosition", async () => {
  await using stage = await Stage.open({ clock: new SteeredClock() });
  const { client, seq, chain } = await received(stage);
  client.peer.send({ type: "nak", chain, seq: seq + 1 });
  const refusal = await client.peer.refusal("badPosition");
  expect([refusal.chain, refusal.seq]).toEqual([chain, seq + 1]);
});

test("a record that was sent too often is given up, not an older one of another lane that waits to be sent", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const [client, publisher] = [await stage.world().open(), await stage.world().open()];
  await publisher.publish([
    { topic: "job.1", text: "later", lane: 3 },
    { topic: "job.2", text: "urgent", lane: 0 },
  ]);
  const ackWaitMs = 1_000;
  const reception = await client.subscribe("job.*", {
    ...{ qos: 1, start: { kind: "all" }, window: { records: 1, bytes: 1_024 }, maxDeliver: 1, ackWaitMs },
  });
  expect(texts(await reception.take(1))).toEqual(["urgent"]);
  let letter: unknown;
  await until(async () => {
    clock.advance(ackWaitMs);
    await client.peer.fence();
    [letter] = client.peer.unread("error");
    return letter !== undefined;
  }, "the record is given up");
  expect(letter).toMatchObject({ cause: "deadLettered", seq: 2 });
  expect(texts(await reception.take(1))).toEqual(["later"]);
});
