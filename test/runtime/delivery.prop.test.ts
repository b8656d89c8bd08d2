/**
 * However appends, acknowledgements, holes, congestion, new windows and redeliveries interleave, what a receiver
 * accepts by its rule is every matching record exactly once in the order of its lane, and never more is unacknowledged
 * than its window allows.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Seq } from "../../src/protocol/ids.ts";
import { type Lane, lanes } from "../../src/protocol/lane.ts";
import type { SendResult } from "../../src/runtime/transport/transport.ts";
import { DeliveryWorld, type Receiver } from "./delivery-world.ts";

const runs = 400;
const quietRounds = 200;

const lane = fc.constantFrom<Lane>(0, 1, 2, 3);
/** Narrow ones, so that receivers fall behind, and such that only records or only bytes run out. */
const windows = fc.oneof(
  fc.record({ records: fc.integer({ min: 1, max: 12 }), bytes: fc.integer({ min: 40, max: 800 }) }),
  fc.record({ records: fc.constant(1_000), bytes: fc.integer({ min: 300, max: 2_000 }) }),
  fc.record({ records: fc.integer({ min: 2, max: 20 }), bytes: fc.constant(100_000) }),
);
const record = fc.record({
  topic: fc.constantFrom("t.a", "t.b", "u.c"),
  lane,
  payload: fc.integer({ min: 0, max: 150 }).map((length) => new Uint8Array(length)),
});
const receiver = fc.record({
  filter: fc.constantFrom("t.*", "t.a", ">"),
  qos: fc.constantFrom(1 as const, 2 as const),
  window: windows,
  socket: fc.record({
    sends: fc.array(fc.constantFrom<SendResult>("sent", "sent", "congested", "dropped"), { maxLength: 12 }),
    skips: fc.array(fc.boolean(), { maxLength: 12 }),
  }),
});
const who = fc.nat({ max: 1 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      records: fc.array(record, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("time" as const), turns: fc.nat({ max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("take" as const), who, count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("acknowledge" as const), who, lane }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("hear" as const), who, count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drain" as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resize" as const), who, window: windows }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("deliverAgain" as const), who }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
const world = fc.record({
  bounds: fc.record({
    deliverRecordsMax: fc.integer({ min: 1, max: 5 }),
    deliverBytesMax: fc.integer({ min: 100, max: 500 }),
    lookaheadRecords: fc.integer({ min: 1, max: 8 }),
  }),
  recentRecords: fc.integer({ min: 1, max: 16 }),
  readOverhead: fc.constantFrom(0, 3, 1_000),
});

async function perform(stage: DeliveryWorld, one: Step): Promise<void> {
  if (one.do === "append") return stage.append(one.records);
  if (one.do === "settle") return stage.settle();
  if (one.do === "time") {
    stage.clock.advance(1);
    for (let i = 0; i < one.turns; i++) await Promise.resolve();
    return;
  }
  const it = stage.receivers[one.who] as Receiver;
  if (one.do === "take") it.take(one.count);
  else if (one.do === "acknowledge") it.acknowledge(one.lane);
  else if (one.do === "hear") it.hear(one.count);
  else if (one.do === "drain") it.drain();
  else if (one.do === "resize") it.resize(one.window);
  else it.deliverAgain();
}

/** Sockets are well and everybody answers, until the gateway waits for nothing. */
async function quiet(stage: DeliveryWorld): Promise<void> {
  for (const it of stage.receivers) it.heal();
  for (let round = 0; round < quietRounds; round++) {
    await stage.settle();
    if (stage.receivers.every((it) => !it.busy && !it.delivery.waiting && it.delivery.mode === "live")) return;
    for (const it of stage.receivers) {
      // Nothing came that could be acknowledged: the ack wait runs out.
      if (!it.busy && it.delivery.waiting) it.deliverAgain();
      it.take(Number.MAX_SAFE_INTEGER);
      for (const one of lanes) it.acknowledge(one);
      it.hear(Number.MAX_SAFE_INTEGER);
    }
  }
  throw new Error(`Not quiet after ${quietRounds} rounds`);
}

test("Delivery brings every matching record once and in order within the window, however things interleave", async () => {
  const property = fc.asyncProperty(
    world,
    fc.tuple(receiver, receiver),
    fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
    async (options, both, steps) => {
      const stage = new DeliveryWorld(options);
      for (const one of both) stage.join(one);
      for (const one of steps) await perform(stage, one);
      await quiet(stage);
      for (const it of stage.receivers) {
        const held = await stage.held(it.options.filter);
        const expected: Seq[][] = lanes.map((one) => held.filter((each) => each.lane === one).map(({ seq }) => seq));
        expect(it.accepted).toEqual(expected);
        expect(it.outstanding()).toEqual({ records: 0, bytes: 0 });
        expect(it.delivery.unacknowledged()).toEqual({ records: 0, bytes: 0 });
        it.delivery.end();
      }
      expect(stage.hub.feedCount).toBe(0);
      stage.hub.stop();
      await stage.log.close();
    },
  );
  await fc.assert(property, { numRuns: runs, seed: 1 });
}, 60_000);
