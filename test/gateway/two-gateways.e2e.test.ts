/**
 * Two gateways on one JetStream log: a client that changes from one to the other keeps its session, its subscriptions
 * and its numbers, and a session has one owner.
 */
import { expect, test } from "bun:test";
import { connect } from "../../src/client/mod.ts";
import { normalLane } from "../../src/protocol/lane.ts";
import { numbered, texts } from "../conformance/world.ts";
import { describeOnNats, natsLines } from "../support/nats-binary.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { sharedLog } from "./shared-stage.ts";
import { until } from "./stage.ts";

async function twoGateways(line: (typeof natsLines)[number]) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startNatsServer({ line }));
  const log = sharedLog(server.url);
  const [a, b] = [stack.use(await log.gateway()), stack.use(await log.gateway())];
  return { a, b, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

for (const line of natsLines) {
  await describeOnNats(line, "two gateways", () => {
    test("records that are published on one gateway are received on the other, in order", async () => {
      await using stage = await twoGateways(line);
      const [writer, reader] = [await stage.a.world().open(), await stage.b.world().open()];
      const reception = await reader.subscribe("t");
      await writer.publish(numbered("t", 50));
      expect(texts(await reception.take(50))).toEqual(numbered("t", 50).map(({ text }) => text));
    });

    test("a session that comes to the other gateway goes on there: nothing lost, nothing twice, live again", async () => {
      await using stage = await twoGateways(line);
      const publisher = await stage.a.world().open();
      const onA = await stage.a.world().open();
      const reception = await onA.subscribe("t", { qos: 1 });
      await publisher.publish(numbered("t", 10));
      const seen = texts(await reception.take(10));
      onA.peer.send({ type: "ack", upTo: [{ chain: reception.chain(normalLane), seq: 10 }] });
      await onA.peer.fence();
      onA.peer.close();
      await publisher.publish(numbered("t", 5));
      const { session, resumeKey } = onA.welcome;
      const onB = await stage.b.world().open({ session, resumeKey });
      expect([onB.welcome.outcome, onB.welcome.session]).toEqual(["resumed", session]);
      const restored = await onB.restored("t");
      seen.push(...texts(await restored.take(5)));
      await publisher.publishOne("t", "live");
      seen.push(...texts(await restored.take(1)));
      expect(seen).toEqual([...numbered("t", 10), ...numbered("t", 5)].map(({ text }) => text).concat("live"));
    });

    test("publishes that are sent again on the other gateway, and back on the first, are stored once", async () => {
      await using stage = await twoGateways(line);
      const records = numbered("t", 30);
      const onA = await stage.a.world().open();
      await onA.publish(records.slice(0, 10));
      const { session, resumeKey } = onA.welcome;
      const onB = await stage.b.world().open({ session, resumeKey });
      expect(onB.welcome.publishedUpTo).toBe(10);
      onB.next = 6; // as a client does that has not seen the last answers
      await onB.publish(records.slice(5, 20));
      const again = await stage.a.world().open({ session, resumeKey });
      expect(again.welcome.publishedUpTo).toBe(20);
      again.next = 16;
      await again.publish(records.slice(15, 30));
      const reader = await stage.b.world().open();
      const reception = await reader.subscribe("t", { start: { kind: "all" } });
      expect(texts(await reception.take(30))).toEqual(records.map(({ text }) => text));
      expect(await reception.pending()).toEqual([]);
    });

    test("a session that is taken while its first owner still serves it ends there with superseded", async () => {
      await using stage = await twoGateways(line);
      const onA = await stage.a.world().open();
      await onA.subscribe("t", { qos: 1 });
      const { session, resumeKey } = onA.welcome;
      const onB = await stage.b.world().open({ session, resumeKey });
      expect((await onA.peer.ended("superseded")).cause).toBe("superseded");
      await onB.restored("t");
      expect(await onB.publishOne("t", "mine")).toBeGreaterThan(0);
    });

    test("a session is not taken from its owner by somebody who has not its key", async () => {
      await using stage = await twoGateways(line);
      const onA = await stage.a.world().open();
      const reception = await onA.subscribe("t", { qos: 1 });
      const { session } = onA.welcome;
      const onB = await stage.b.world().open({ session, resumeKey: "guessed" });
      expect([onB.welcome.outcome, onB.welcome.cause]).toEqual(["opened", "resumeKeyWrong"]);
      await onA.publishOne("t", "mine");
      expect(texts(await reception.take(1))).toEqual(["mine"]);
      await onA.subscribe("u", { qos: 1 }); // written in the journal, which is still its own
    });

    test("a session of a gateway that stopped is found by the other one, with its time away", async () => {
      await using stage = await twoGateways(line);
      const onA = await stage.a.world().open();
      await onA.publishOne("t", "1");
      const { session, resumeKey } = onA.welcome;
      await stage.a[Symbol.asyncDispose]();
      const onB = await stage.b.world().open({ session, resumeKey });
      expect([onB.welcome.outcome, onB.welcome.publishedUpTo]).toEqual(["resumed", 1]);
      expect(await onB.publishOne("t", "2")).toBeGreaterThan(1);
    });

    test("the SDK goes on at the next URL when its gateway is gone, with session, subscription and outbox", async () => {
      await using stage = await twoGateways(line);
      const urls = [stage.a, stage.b].map(({ port }) => `ws://127.0.0.1:${port}/`);
      const client = connect(urls, { reconnect: { minMs: 1, maxMs: 50 } });
      const seen: string[] = [];
      const all = Promise.withResolvers<void>();
      await client.subscribe("t", { qos: 2 }, (record) => {
        seen.push(record.json<string>());
        if (seen.length === 20) all.resolve();
      }).ready;
      const session = client.session?.session;
      for (let n = 1; n <= 10; n++) void client.publish("t", String(n));
      const stopping = stage.a[Symbol.asyncDispose]();
      for (let n = 11; n <= 20; n++) void client.publish("t", String(n));
      await Promise.all([stopping, all.promise]);
      await client.flush();
      expect([seen, client.session?.session]).toEqual([Array.from({ length: 20 }, (_, i) => String(i + 1)), session]);
      await client.close();
    });

    test("a lease says which gateways live, and ends with them", async () => {
      await using stage = await twoGateways(line);
      const nodes = async () => (await stage.b.log.keyValue.list("node/", "", 10)).length;
      await until(async () => (await nodes()) === 2, "both gateways have a lease");
      await stage.a[Symbol.asyncDispose]();
      expect(await nodes()).toBe(1);
    });
  });
}
