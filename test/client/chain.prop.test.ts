import { expect, test } from "bun:test";
import fc from "fast-check";
import { connect, memoryStore } from "../../src/client/mod.ts";
import { outcome, records, World } from "./world.ts";

const normal = 12;
const logLength = 40;
/** Seqs that match the subscription; the others belong to other topics. */
const matching = Array.from({ length: logLength }, (_, i) => i + 1).filter((seq) => seq % 3 !== 0);

/** What a lossy gateway does next: deliver an interval from somewhere, redeliver, lose the connection or the session. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("deliver" as const),
      back: fc.integer({ min: -3, max: 8 }),
      length: fc.integer({ min: 0, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 500 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("drop" as const),
      outcome: fc.constantFrom("opened" as const, "resumed" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("restart" as const),
      outcome: fc.constantFrom("opened" as const, "resumed" as const),
    }),
  },
);

test("at QoS 2 any sequence of repeated, overlapping and missing intervals, lost connections, sessions and restarts processes each record once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), async (steps, ackRecords) => {
      const world = new World();
      const store = memoryStore();
      const seen: number[] = [];
      let frontier = 0; // The furthest that the gateway has sent.
      const start = () => {
        const client = connect("ws://gateway", {
          ports: world.ports,
          store,
          ack: { records: ackRecords },
          reconnect: { minMs: 1, maxMs: 1 },
        });
        client.subscribe("orders.>", { qos: 2, start: "all" }, async (record) => {
          await Promise.resolve();
          seen.push(record.seq);
        });
        return client;
      };
      const welcome = async (kind: "opened" | "resumed") => {
        await world.clock.settle();
        world.peer.welcome({ outcome: kind, session: kind === "opened" ? `S${world.connections.length}` : "S1" });
        await world.clock.settle();
        const asked = world.peer.all("subscribe").at(-1)?.start;
        const told = world.peer.last("hello").positions?.find(({ lane }) => lane === 2)?.seq ?? 0;
        const last = asked?.kind === "position" ? asked.seq : kind === "resumed" ? told : 0;
        frontier = last;
        world.peer.subscribed(
          {
            filter: "orders.>",
            qos: 2,
            resume: { kind: "replay", from: last + 1 },
            ...(asked === undefined ? { ref: 0 } : {}),
          },
          last,
        );
      };
      const deliver = (prev: number, upTo: number) => {
        const inside = matching
          .filter((seq) => seq > prev && seq <= upTo)
          .map((seq) => records(seq, 1)[0] as ReturnType<typeof records>[number]);
        world.peer.send({ type: "deliver", chain: normal, prev, upTo, records: inside });
      };
      let client = start();
      await welcome("opened");
      for (const each of steps) {
        if (each.kind === "time") await world.clock.advance(each.ms);
        else if (each.kind === "deliver") {
          const prev = Math.min(logLength, Math.max(0, frontier - each.back));
          const upTo = Math.min(logLength, prev + each.length);
          deliver(prev, upTo);
          frontier = Math.max(frontier, upTo);
        } else if (each.kind === "drop") {
          world.peer.end(1006);
          await world.clock.advance(200);
          await welcome(each.outcome);
        } else {
          await world.run(client.close());
          client = start();
          await welcome(each.outcome);
        }
      }
      // The gateway heals: it sends all from the hole that was asked for, or from the beginning.
      await world.clock.settle();
      deliver(0, logLength);
      await world.clock.advance(1_000);
      expect(seen).toEqual(matching);
      const acked = world.peer
        .all("ack")
        .flatMap(({ upTo }) => upTo ?? [])
        .filter(({ chain }) => chain === normal);
      expect(acked.at(-1)?.seq).toBe(logLength);
      expect(acked.map(({ seq }) => seq)).toEqual([...acked].map(({ seq }) => seq).sort((a, b) => a - b));
      expect(await outcome(client.connected())).toEqual({ value: undefined });
    }),
    { numRuns: 100 },
  );
}, 30_000);

test("whatever is settled, refused, held back or lost, publishes reach a gateway in order and without gaps", async () => {
  const act = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 6 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("settle" as const), count: fc.integer({ min: 1, max: 6 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("holdBack" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), kept: fc.integer({ min: 0, max: 6 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const world = new World();
      const credit = { records: 5, bytes: 1_000_000 };
      const client = await world.connected({}, { credit });
      const log: string[] = []; // What the gateway holds, in order.
      const results: Promise<{ n: number; seq?: number }>[] = [];
      let settled = 0;
      let dropping = false;
      const attach = () => {
        world.peer.onFrame = (frame) => {
          if (frame.type !== "publish") return;
          const first = frame.first ?? 0;
          if (dropping && first !== log.length + 1) return;
          dropping = false;
          expect(first).toBeLessThanOrEqual(log.length + 1); // No gap.
          for (const [i, record] of frame.records.entries()) {
            if (first + i === log.length + 1) log.push(new TextDecoder().decode(record.payload));
          }
          expect(log.length - settled).toBeLessThanOrEqual(credit.records);
        };
      };
      const settle = (count: number) => {
        const upTo = Math.min(log.length, settled + count);
        if (upTo === settled) return;
        world.peer.send({
          type: "published",
          upTo,
          runs: [{ n: settled + 1, seq: settled + 1, count: upTo - settled }],
        });
        settled = upTo;
      };
      attach();
      for (const each of acts) {
        if (each.kind === "publish")
          for (let i = 0; i < each.count; i++) results.push(client.publish("a", results.length + 1));
        else if (each.kind === "settle") settle(each.count);
        else if (each.kind === "holdBack" && log.length > settled) {
          log.length = settled; // Nothing above was stored.
          dropping = true;
          world.peer.send({
            type: "error",
            code: 600,
            cause: "logUnavailable",
            message: "later",
            retryable: true,
            n: settled + 1,
            retryAfterMs: 10,
          });
        } else if (each.kind === "drop") {
          log.length = Math.min(log.length, settled + each.kept);
          dropping = false;
          world.peer.end(1006);
          await world.clock.advance(500);
          settled = log.length;
          attach();
          world.peer.welcome({ outcome: "resumed", publishedUpTo: settled, credit });
        }
        await world.clock.advance(11);
      }
      for (let rounds = 0; rounds < 200 && client.outbox.records > 0; rounds++) {
        settle(5);
        await world.clock.advance(11);
      }
      const all = await world.run(Promise.all(results));
      expect(log).toEqual(results.map((_, i) => String(i + 1)));
      expect(all.map(({ n }) => n)).toEqual(results.map((_, i) => i + 1));
    }),
    { numRuns: 100 },
  );
}, 30_000);
