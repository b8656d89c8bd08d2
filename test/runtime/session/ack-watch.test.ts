import { expect, test } from "bun:test";
import { normalLane } from "../../../src/protocol/lane.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { AckWatch } from "../../../src/runtime/session/ack-watch.ts";
import { DeliveryWorld } from "../delivery-world.ts";

const ackWaitMs = 1_000;
const backoffMs = 5_000;
/** Chance that neither takes nor adds. */
const even = () => 0.5;

/** A live receiver to which `count` records were sent, none of them acknowledged. */
async function stage(count = 3) {
  const world = new DeliveryWorld({ bounds: limits, recentRecords: 16, readOverhead: 0 });
  const receiver = world.join({
    filter: "t.*",
    qos: 1,
    window: { records: 100, bytes: 100_000 },
    socket: { sends: [], skips: [] },
  });
  await world.settle();
  for (let i = 0; i < count; i++) {
    world.append([{ topic: "t.a", lane: normalLane, payload: new Uint8Array(1) }]);
    await world.settle(); // a frame each
  }
  const watch = new AckWatch(ackWaitMs, { ...limits, ackWaitBackoffMs: backoffMs });
  return { world, receiver, delivery: receiver.delivery, watch };
}

/** Instants within `forMs` at which it was due, asked every millisecond from 0. */
function dueAt(
  watch: AckWatch,
  delivery: Parameters<AckWatch["due"]>[0],
  options: { forMs: number; chance: () => number },
) {
  const due: number[] = [];
  for (let now = 0; now <= options.forMs; now++) if (watch.due(delivery, now, options.chance)) due.push(now);
  return due;
}

test("due() is false without end while nothing waits for an acknowledgement", async () => {
  const { delivery, watch } = await stage(0);
  expect(dueAt(watch, delivery, { forMs: 10_000, chance: even })).toEqual([]);
});

test("due() waits the ack wait, doubles it with each try without progress, up to the bound", async () => {
  const { delivery, watch } = await stage();
  const waits = [1_000, 2_000, 4_000, 5_000, 5_000];
  let at = 0;
  const expected = waits.map((wait) => (at += wait));
  expect(dueAt(watch, delivery, { forMs: at, chance: even })).toEqual(expected);
  expect(watch.tries).toBe(waits.length);
});

test("due() never waits less than the ack wait asked for, though the bound of its growth is lower", async () => {
  const { delivery } = await stage();
  const watch = new AckWatch(8_000, { ...limits, ackWaitBackoffMs: backoffMs });
  expect(dueAt(watch, delivery, { forMs: 24_000, chance: even })).toEqual([8_000, 16_000, 24_000]);
});

test("due() takes and adds at most a tenth by chance", async () => {
  for (const [chance, first] of [
    [0, 900],
    [0.25, 950],
    [even(), 1_000],
    [0.999_999, 1_100],
  ] as const) {
    const { delivery, watch } = await stage();
    expect(dueAt(watch, delivery, { forMs: 1_500, chance: () => chance })).toEqual([first]);
  }
});

test("due() begins anew at the ack wait after an acknowledgement that leaves others waiting", async () => {
  const { receiver, delivery, watch } = await stage();
  expect(dueAt(watch, delivery, { forMs: 3_000, chance: even })).toEqual([1_000, 3_000]);
  receiver.take(1);
  receiver.acknowledge(normalLane);
  receiver.hear(1);
  expect(delivery.waiting).toBe(true);
  expect(watch.due(delivery, 3_001, even)).toBe(false);
  expect(watch.tries).toBe(0);
  expect(watch.due(delivery, 4_000, even)).toBe(false);
  expect(watch.due(delivery, 4_001, even)).toBe(true);
});

test("due() counts tries anew once everything was acknowledged", async () => {
  const { world, receiver, delivery, watch } = await stage();
  expect(dueAt(watch, delivery, { forMs: 1_000, chance: even })).toEqual([1_000]);
  receiver.take(3);
  receiver.acknowledge(normalLane);
  receiver.hear(1);
  expect(watch.due(delivery, 50_000, even)).toBe(false);
  expect(watch.tries).toBe(0);
  world.append([{ topic: "t.a", lane: normalLane, payload: new Uint8Array(1) }]);
  await world.settle();
  expect(watch.due(delivery, 60_000, even)).toBe(false);
  expect(watch.due(delivery, 60_999, even)).toBe(false);
  expect(watch.due(delivery, 61_000, even)).toBe(true);
});
