/**
 * A gateway that drains sends its clients to another one, each in a slot: until then everything goes on.
 */
import { describe, expect, test } from "bun:test";
import type { Goaway } from "../../src/protocol/frame.ts";
import { later, outcome, records, World } from "./world.ts";

const sentAway: Goaway = {
  type: "goaway",
  code: 4000,
  cause: "draining",
  message: "Reconnect",
  url: "ws://other/",
  ticket: "the-ticket",
  retryAfterMs: 2_000,
};

async function inSlot() {
  const world = new World();
  const client = await world.connected();
  const [old] = world.connections;
  if (old === undefined) throw new Error("No connection");
  old.send(sentAway);
  return { world, client, old };
}

describe("a client that is sent to another gateway", () => {
  test("stays until its slot: publishes and deliveries go on, and it says that it will move", async () => {
    const world = new World();
    const client = await world.connected();
    const moving: number[] = [];
    client.on("moving", ({ inMs }) => moving.push(inMs));
    const got: number[] = [];
    client.subscribe("orders.>", { qos: 2 }, (record) => void got.push(record.seq));
    await world.clock.settle();
    world.peer.subscribed({ filter: "orders.>" });
    world.peer.send(sentAway);
    await world.clock.advance(1_999);
    void later(client.publish("t", 1));
    world.peer.send({ type: "deliver", chain: 12, prev: 0, records: records(1, 2) });
    await world.clock.settle();
    expect([moving, got, world.connections.length, world.peer.all("publish").length]).toEqual([[2_000], [1, 2], 1, 1]);
    await client.close();
  });

  test("opens the other socket in its slot, and leaves the first when that is open, with its session and ticket", async () => {
    const { world, client, old } = await inSlot();
    await world.clock.advance(2_000);
    expect(world.urls).toEqual(["ws://gateway", "ws://other/"]);
    expect(old.closed).toEqual({ code: 1000, reason: "moved" });
    expect(world.peer.last("hello")).toMatchObject({ session: "S1", resumeKey: "key", ticket: "the-ticket" });
    world.peer.welcome({ outcome: "resumed", node: "n2" });
    await world.clock.settle();
    expect([client.status, client.session?.node]).toEqual(["connected", "n2"]);
    await client.close();
  });

  test("sends what was not acknowledged again there, an open transaction whole and with its number", async () => {
    const { world, client, old } = await inSlot();
    const published = later(client.publish("t", 1));
    const committed = later(client.transaction((tx) => tx.publish("t", 2)));
    await world.clock.settle();
    expect(old.all("commit")).toEqual([{ type: "commit", tx: 1 }]);
    await world.clock.advance(2_000);
    world.peer.welcome({ outcome: "resumed", publishedUpTo: 0 });
    await world.clock.settle();
    expect(world.peer.last("publish")).toBeDefined();
    expect(world.peer.all("commit")).toEqual([{ type: "commit", tx: 1 }]);
    world.peer.send({ type: "published", upTo: 1, runs: [{ n: 1, seq: 7, count: 1 }] });
    world.peer.send({ type: "committed", tx: 1, firstSeq: 8, lastSeq: 8 });
    await world.clock.settle();
    expect(await outcome(published)).toMatchObject({ value: { n: 1, seq: 7 } });
    expect(await outcome(committed)).toEqual({ value: { firstSeq: 8, lastSeq: 8, duplicate: false } });
    await client.close();
  });

  test("acknowledges on the first connection before it leaves it", async () => {
    const world = new World();
    const client = await world.connected({ ack: { ms: 60_000 } });
    client.subscribe("orders.>", { qos: 1 }, () => undefined);
    await world.clock.settle();
    const old = world.peer;
    old.subscribed({ filter: "orders.>" });
    old.send({ type: "deliver", chain: 12, prev: 0, records: records(1, 2) });
    old.send(sentAway);
    await world.clock.advance(1_999);
    expect(old.all("ack")).toEqual([]);
    await world.clock.advance(1);
    expect(old.all("ack")).toEqual([{ type: "ack", upTo: [{ chain: 12, seq: 2 }] }]);
    await client.close();
  });

  test("hears nothing more from the connection that it left", async () => {
    const { world, client, old } = await inSlot();
    const got: number[] = [];
    client.subscribe("orders.>", { qos: 1 }, (record) => void got.push(record.seq));
    await world.clock.settle();
    old.subscribed({ filter: "orders.>" });
    await world.clock.advance(2_000);
    old.closed = undefined; // as a gateway does that stood still
    old.send({ type: "deliver", chain: 12, prev: 0, records: records(1, 2) });
    await world.clock.settle();
    expect(got).toEqual([]);
    await client.close();
  });

  test("stays where it is when the other gateway cannot be reached, and comes to one it knows when it is closed", async () => {
    const { world, client, old } = await inSlot();
    world.refuse.connects = true;
    await world.clock.advance(3_000);
    expect([client.status, old.closed, world.connections.length]).toEqual(["connected", undefined, 2]);
    world.refuse.connects = false;
    old.end(1006);
    await world.clock.advance(30_000);
    expect(client.status).toBe("connecting");
    expect(world.peer.last("hello")).toMatchObject({ session: "S1" });
    await client.close();
  });

  test("goes in its slot when its connection is lost before", async () => {
    const { world, client, old } = await inSlot();
    await world.clock.advance(500);
    old.end(1006);
    await world.clock.advance(1_499);
    expect([world.connections.length, client.status]).toEqual([1, "waiting"]);
    await world.clock.advance(1);
    expect(world.urls).toEqual(["ws://gateway", "ws://other/"]);
    expect(world.peer.last("hello").ticket).toBe("the-ticket");
    await client.close();
  });

  test("goes on opening the other connection when the first is lost meanwhile", async () => {
    const world = new World();
    const client = await world.connected();
    const [old] = world.connections;
    world.holdOpening = true;
    old?.send({ ...sentAway, retryAfterMs: 0 });
    await world.clock.advance(0);
    expect(world.connections.length).toBe(2);
    old?.end(1006);
    await world.clock.advance(5_000);
    expect([world.connections.length, client.status]).toEqual([2, "connecting"]);
    world.openHeld();
    await world.clock.settle();
    expect(world.peer.last("hello").ticket).toBe("the-ticket");
    await client.close();
  });

  test("comes to one it knows when its ticket is refused", async () => {
    const { world, client } = await inSlot();
    await world.clock.advance(2_000);
    world.peer.send({ type: "goaway", code: 4000, cause: "ticketExpired", message: "Reconnect" });
    world.peer.end(4000, "ticketExpired");
    await world.clock.advance(1_000);
    expect(world.urls).toEqual(["ws://gateway", "ws://other/", "ws://gateway"]);
    expect(world.peer.last("hello").ticket).toBeUndefined();
    await client.close();
  });

  test("opens nothing more once it is closed", async () => {
    const { world, client } = await inSlot();
    await client.close();
    await world.clock.advance(10_000);
    expect(world.connections.length).toBe(1);
  });
});

test("a handshake that is answered with another gateway goes there at once, with the ticket", async () => {
  const world = new World();
  const client = world.connect();
  await world.clock.settle();
  world.peer.send({ ...sentAway, cause: "redirected", retryAfterMs: 0 });
  world.peer.end(4000, "redirected");
  await world.clock.advance(0);
  expect(world.urls).toEqual(["ws://gateway", "ws://other/"]);
  expect(world.peer.last("hello").ticket).toBe("the-ticket");
  await client.close();
});
