/**
 * Settings that change while clients are connected: they hold for what begins then, and nobody is disconnected.
 */
import { expect, test } from "bun:test";
import { limits } from "../../src/protocol/limits.ts";
import { fixedLimits } from "../../src/runtime/live-limits.ts";
import { upgradeStatus } from "../conformance/peer.ts";
import { numbered } from "../conformance/world.ts";
import { Stage, SteeredClock, until } from "./stage.ts";

test("a connected client keeps the credit and the subscriptions that it was told, one that comes later has the new ones", async () => {
  await using stage = await Stage.open({ config: { limits: { publishCreditRecords: 64 } } });
  const before = await stage.world().open();
  await before.subscribe("a.>");
  stage.configure({
    limits: { publishCreditRecords: 2, subscriptionsPerSessionMax: 1, deliverWindowRecords: 7, heartbeatMs: 5_000 },
  });

  // Far more than the new credit at once: it was told 64.
  const items = numbered("a.b", 64);
  expect((await before.publish(items)).filter((seq) => seq > 0)).toHaveLength(64);
  await before.subscribe("b.>");

  const after = await stage.world().open();
  expect([after.welcome.credit.records, after.welcome.heartbeatMs]).toEqual([2, 5_000]);
  const first = after.ref();
  after.peer.send({ type: "subscribe", ref: first, filter: "a.>" });
  expect((await after.peer.answer("subscribed", first)).window.records).toBe(7);
  after.peer.send({ type: "subscribe", ref: after.ref(), filter: "b.>" });
  await after.peer.refusal("tooManySubscriptions");
  await before.peer.fence();
});

test("a session that is resumed has the limits of its new connection", async () => {
  await using stage = await Stage.open({ config: { limits: { publishCreditRecords: 64 } } });
  const world = stage.world();
  const before = await world.open();
  before.peer.close();
  stage.configure({ limits: { publishCreditRecords: 3 } });
  const { session, resumeKey } = before.welcome;
  const again = await world.open({ session, resumeKey });
  expect([again.welcome.outcome, again.welcome.credit.records]).toEqual(["resumed", 3]);
});

test("origins and the number of sessions hold from the next connection on", async () => {
  await using stage = await Stage.open();
  const stays = await stage.world().open();
  const knock = async (): Promise<number> => {
    const response = await fetch(stage.url.replace("ws", "http"), {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "weir.v1.json",
        Origin: "https://app.example.com",
      },
    });
    return response.status;
  };
  expect(await knock()).toBe(403);
  stage.configure({ origins: ["https://app.example.com"], sessionsMax: 1 });
  expect(await knock()).toBe(101);
  const late = await stage.world().dial();
  late.send(stage.world().hello());
  await late.ended("overloaded");
  await stays.peer.fence();
});

test("retention that was off begins when it is set", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock });
  const client = await stage.world().open();
  await client.publish(numbered("a.b", 20));
  clock.advance(30_000);
  expect(stage.log.info().records).toBe(20);
  stage.configure({ retention: { ageMs: 0, bytes: 0, records: 5 } });
  clock.advance(10_000);
  await until(() => stage.log.info().records === 5, "the oldest are gone");
  stage.configure({ retention: { ageMs: 0, bytes: 0, records: 2 } });
  clock.advance(10_000);
  await until(() => stage.log.info().records === 2, "the newest bound holds");
});

test("configure() refuses limits that contradict each other or need a restart, and changes nothing then", async () => {
  await using stage = await Stage.open();
  for (const name of fixedLimits)
    expect(() => stage.configure({ sessionsMax: 1, limits: { [name]: limits[name] - 1 } })).toThrow(name);
  expect(() => stage.configure({ sessionsMax: 1, limits: { resumeWindowMs: 1 } })).toThrow("resume outlives");
  await stage.world().open();
  expect((await stage.world().open()).welcome.resumeWindowMs).toBe(limits.resumeWindowMs);
  expect(await upgradeStatus(stage.url, ["weir.v1.json"], 5_000)).toBe(101);
});
