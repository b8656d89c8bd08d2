/**
 * Sockets that are too many, or whose peer is not there any more.
 */
import { expect, test } from "bun:test";
import { closeCodes } from "../../src/protocol/close-code.ts";
import { upgradeStatus } from "../conformance/peer.ts";
import { silentPeer } from "./silent-peer.ts";
import { Stage, SteeredClock, until } from "./stage.ts";

const waitMs = 5_000;

test("past handshakesMax an upgrade is answered 503, until a handshake is over", async () => {
  await using stage = await Stage.open({ config: { limits: { handshakesMax: 3 } } });
  const world = stage.world();
  const silent = [await world.dial(), await world.dial(), await world.dial()];
  const knock = () => upgradeStatus(stage.url, ["weir.v1.json"], waitMs);
  expect(await knock()).toBe(503);
  const ready = await fetch(`${stage.url.replace("ws", "http")}ready`);
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining("tooManyHandshakes")]);

  silent[0]?.send(world.hello());
  await silent[0]?.expect("welcome");
  expect(await knock()).toBe(101);
  // That knock hung up without HELLO: its place is free again.
  await until(async () => (await knock()) === 101, "a lost socket gives its place back");
});

test("who comes beyond the admission rate is told when to come, each at a moment of its own, and is let in then", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock, config: { admission: { perSecond: 10, burst: 2 } } });
  const world = stage.world();
  for (let i = 0; i < 2; i++) expect((await world.open()).welcome.outcome).toBe("opened");
  const told: (number | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    const peer = await world.dial();
    peer.send(world.hello());
    const goaway = await peer.ended("overloaded");
    expect(goaway.cause).toBe("tooManyHandshakes");
    told.push(goaway.retryAfterMs);
  }
  expect(told).toEqual([100, 200, 300]);
  clock.advance(100);
  expect((await world.open()).welcome.outcome).toBe("opened");
});

test("a client that comes in a slot is let in beyond the admission rate, and counts", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock, config: { admission: { perSecond: 10, burst: 1 } } });
  const world = stage.world();
  await world.open();
  const peer = await world.dial();
  peer.send({ ...world.hello(), ticket: "of the slot" });
  expect((await peer.expect("welcome")).outcome).toBe("opened");
});

test("sockets that never say HELLO are closed at the handshake's deadline, all of them", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({ clock, config: { limits: { handshakesMax: 20, handshakeMs: 1_000 } } });
  const world = stage.world();
  const silent = await Promise.all(Array.from({ length: 20 }, () => world.dial()));
  await until(async () => (await stage.metric("websocket_connections")) === 20, "all sockets are open");
  clock.advance(1_000);
  await Promise.all(silent.map((peer) => peer.ended("handshakeTimeout")));
  expect((await world.open()).welcome.outcome).toBe("opened");
});

test("a half-open peer is found by the heartbeat and its session can be resumed; one that answers stays", async () => {
  const clock = new SteeredClock();
  await using stage = await Stage.open({
    clock,
    config: { limits: { heartbeatMs: 1_000, pongMs: 500, drainMs: 500, resumeWindowMs: 60_000 } },
  });
  const healthy = await stage.world().open();
  const gone = await silentPeer(stage.url);
  await until(async () => (await stage.metric("weir_sessions_attached")) === 2, "both are attached");
  for (let beats = 0; beats < 5; beats++) {
    clock.advance(500);
    await healthy.peer.fence();
  }
  expect(await stage.metric("weir_sessions_attached")).toBe(1);
  gone.socket.unstall();
  expect(await gone.closed).toBe(closeCodes.heartbeatTimeout.code);
  await until(async () => (await stage.metric("websocket_connections")) === 1, "the half-open socket is gone");
  await healthy.peer.fence();
});
