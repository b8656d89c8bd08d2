/** What a running gateway tells of itself, and what it does when an operator asks. */
import { describe, expect, test } from "bun:test";
import { inspectActor, timeline } from "../../src/ops/replay/inspect.ts";
import { whyOf } from "../../src/ops/replay/why.ts";
import { closeCodes } from "../../src/protocol/close-code.ts";
import { limits } from "../../src/protocol/limits.ts";
import { Stage, until } from "./stage.ts";

describe("Inspector", () => {
  test("tells of a session: credit, positions, what is in flight, NAKs and transactions", async () => {
    await using stage = await Stage.open();
    const inspector = stage.gateway.inspect();
    const client = await stage.world().open();
    const { session } = client.welcome;
    const orders = await client.subscribe("orders.>");
    const view = () => inspector.session(session);
    await until(() => view()?.subscriptions[0]?.mode === "live", "a live subscription");
    await client.publish([
      { topic: "orders.a", text: "1" },
      { topic: "orders.a", text: "2" },
    ]);
    await orders.take(2);
    const chain = orders.chain(2);
    client.peer.send({ type: "nak", chain, seq: 2, delayMs: 60_000, reason: "busy" });
    client.peer.send({ type: "begin", tx: 7 });
    client.peer.send({ type: "publish", tx: 7, records: [{ topic: "orders.b", payload: new Uint8Array(3) }] });
    await until(() => view()?.openTransactions[0]?.records === 1, "an open transaction");
    expect(view()).toMatchObject({ status: "attached", subject: "", owner: 1, publishedUpTo: 2, ephemeral: false });
    expect(view()?.credit?.records).toBe(limits.publishCreditRecords - 1);
    expect(view()?.openTransactions).toMatchObject([{ tx: 7, records: 1 }]);
    const [subscription] = view()?.subscriptions ?? [];
    expect(subscription).toMatchObject({ filter: "orders.>", qos: 1, mode: "live" });
    expect(subscription?.naks).toMatchObject([{ seq: 2, lane: "normal", attempts: 1, reason: "busy" }]);
    expect(subscription?.chains[2]).toMatchObject({ lane: "normal", position: 0, sent: 2, inFlightRecords: 2 });
    const connection = inspector.connection(view()?.connection ?? "");
    expect(connection).toMatchObject({ session, codec: "msgpack", state: "open", remoteAddress: "127.0.0.1" });
    client.peer.send({ type: "ack", upTo: [{ chain, seq: 2 }] });
    await until(() => view()?.subscriptions[0]?.chains[2]?.position === 2, "an acknowledged chain");
    expect(view()?.subscriptions[0]?.chains[2]?.inFlightRecords).toBe(0);
    client.peer.close();
    await until(() => view()?.status === "detached", "a detached session");
    expect(view()).toMatchObject({ subscriptions: [{ mode: "away", chains: [{}, {}, { position: 2 }, {}] }] });
    expect(view()?.connection).toBeUndefined();
  });

  test("lists sessions and connections in pages that miss nobody who stays, whoever goes meanwhile", async () => {
    await using stage = await Stage.open();
    const inspector = stage.gateway.inspect();
    const world = stage.world();
    const clients = [];
    for (let i = 0; i < 7; i++) clients.push(await world.open({ resumeWindowMs: 0 }));
    const ids = clients.map(({ welcome }) => welcome.session);
    const first = inspector.sessions("", 3);
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    clients[2]?.peer.close();
    await until(() => inspector.node().sessions === 6, "one session less");
    const rest = inspector.sessions(first.next ?? "", 100);
    expect(rest.items.map(({ id }) => id)).toEqual(ids.slice(3));
    expect(rest.next).toBeUndefined();
    const two = inspector.connections("", 2);
    const others = inspector.connections(two.next ?? "", 100);
    expect([two.items.length, others.items.length]).toEqual([2, 4]);
    expect(new Set([...two.items, ...others.items].map(({ session }) => session)).size).toBe(6);
  });

  test("counts what the node did, and connections that came to nothing", async () => {
    await using stage = await Stage.open();
    const inspector = stage.gateway.inspect();
    const world = stage.world();
    const bad = await world.dial();
    bad.send({ type: "ping", id: 1 });
    await bad.closed();
    const client = await world.open();
    const reception = await client.subscribe("a");
    await until(() => inspector.session(client.welcome.session)?.subscriptions[0]?.mode === "live", "live");
    await client.publishOne("a", "1");
    await reception.take(1);
    await until(() => inspector.node().connections === 1, "one connection");
    expect(inspector.totals()).toMatchObject({ connectionsOpened: 2, handshakesFailed: 1, recordsPublished: 1 });
    expect(inspector.totals()).toMatchObject({ recordsDelivered: 1, fanOutFramesSent: 1, appends: { count: 1 } });
    expect(inspector.node()).toMatchObject({ state: "running", sessionsAttached: 1, filters: 1, position: 1 });
  });
});

describe("Control", () => {
  test("disconnect() ends one connection with 4304 and the cause, and its session stays", async () => {
    await using stage = await Stage.open();
    const client = await stage.world().open();
    const id = stage.gateway.inspect().session(client.welcome.session)?.connection ?? "";
    expect(stage.gateway.control().disconnect(id, "maintenance")).toBe(true);
    expect(await client.peer.closed()).toMatchObject({ code: closeCodes.disconnected.code });
    expect(stage.gateway.inspect().session(client.welcome.session)?.status).toBe("detached");
    expect(stage.gateway.control().disconnect("nobody/c1", "maintenance")).toBe(false);
    const session = { kind: "session", id: client.welcome.session };
    // The client is told before the journal is on disk.
    await until(async () => (await whyOf(stage.log, session)).length > 0, "the journal says why");
    const why = await whyOf(stage.log, session);
    expect(why.map(({ cause }) => cause)).toEqual(["disconnected maintenance"]);
    expect(why[0]?.sentence).toStartWith(`An operator ended the connection: in the operator's words "maintenance"`);
  });

  test("expire() is journalled once, as closed by an operator, with what an attached client had acknowledged", async () => {
    await using stage = await Stage.open();
    const world = stage.world();
    const [attached, detached] = [await world.open(), await world.open()];
    const reception = await attached.subscribe("a");
    await attached.publishOne("a", "1");
    await reception.take(1);
    detached.peer.close();
    const statusOf = () => stage.gateway.inspect().session(detached.welcome.session)?.status;
    await until(() => statusOf() === "detached", "detached");
    for (const { welcome } of [attached, detached]) {
      const key = { kind: "session", id: welcome.session };
      expect(await stage.gateway.control().expire(welcome.session)).toBe("ended");
      const told = (await timeline(stage.log, key, { max: 99 })).filter(({ summary }) => /perator/.test(summary));
      expect(told.map(({ type, summary }) => [type, summary])).toEqual([["Closed", "Closed: expiredByOperator"]]);
      const why = (await whyOf(stage.log, key)).filter(({ cause }) => !cause.startsWith("socketClosed"));
      expect(why.map(({ cause, setting }) => [cause, setting])).toEqual([["expiredByOperator", undefined]]);
      const { state, statechart } = await inspectActor(stage.log, key);
      expect([statechart.state, state["endedBecause"]]).toEqual(["closed", "expiredByOperator"]);
    }
  });

  test("expire() ends a session for good, attached or detached, and answers unknown after that", async () => {
    await using stage = await Stage.open();
    const control = stage.gateway.control();
    const world = stage.world();
    const attached = await world.open();
    expect(await control.expire(attached.welcome.session)).toBe("ended");
    expect(await attached.peer.closed()).toMatchObject({ code: closeCodes.sessionEnded.code });
    const detached = await world.open();
    detached.peer.close();
    await until(() => stage.gateway.inspect().session(detached.welcome.session)?.status === "detached", "detached");
    expect(await control.expire(detached.welcome.session)).toBe("ended");
    for (const { welcome } of [attached, detached]) {
      expect(await control.expire(welcome.session)).toBe("unknown");
      const { session, resumeKey } = welcome;
      const back = await world.open({ session, resumeKey });
      expect(back.welcome).toMatchObject({ outcome: "opened", cause: "expiredByOperator" });
    }
  });

  test("drain() sends everybody away, refuses who comes, and /ready says so; undrain() takes clients again", async () => {
    await using stage = await Stage.open();
    const world = stage.world();
    const client = await world.open();
    stage.gateway.control().drain({ reason: "deploy" });
    expect(await client.peer.closed()).toMatchObject({ code: closeCodes.goingAway.code });
    const ready = await fetch(`${stage.url.replace("ws", "http")}ready`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { reasons: ["draining"] }]);
    expect(stage.gateway.inspect().node().state).toBe("draining");
    expect(await world.dial().catch(() => "refused")).toBe("refused");
    stage.gateway.control().undrain();
    expect((await world.open()).welcome.outcome).toBe("opened");
  });

  test("publish() with an idempotency key stores once, and knows a key that is used for something else", async () => {
    await using stage = await Stage.open();
    const control = stage.gateway.control();
    const records = ["1", "2"].map((text) => ({
      topic: "a",
      lane: 2 as const,
      payload: new TextEncoder().encode(text),
    }));
    const first = await control.publish({ records, idempotencyKey: "k", digest: "d" });
    expect(first).toEqual({ ok: true, seqs: [1, 2], duplicate: false });
    const [again, together] = await Promise.all([
      control.publish({ records, idempotencyKey: "k", digest: "d" }),
      control.publish({ records, idempotencyKey: "k", digest: "d" }),
    ]);
    expect([again, together]).toEqual(Array(2).fill({ ok: true, seqs: [1, 2], duplicate: true }));
    expect(await control.publish({ records, idempotencyKey: "k", digest: "e" })).toMatchObject({
      ok: false,
      code: "keyUsedForAnother",
    });
    await control.publish({ records });
    expect(stage.log.info().lastSeq).toBe(4);
  });

  test("publish() of one idempotency key at the same time stores once", async () => {
    await using stage = await Stage.open();
    const records = [{ topic: "a", lane: 2 as const, payload: new Uint8Array(1) }];
    const asked = { records, idempotencyKey: "k", digest: "d" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => stage.gateway.control().publish(asked)));
    expect(answers.filter((answer) => answer.ok && !answer.duplicate)).toHaveLength(1);
    expect(answers.every(({ ok }) => ok)).toBe(true);
    expect(stage.log.info().records).toBe(1);
  });
});
