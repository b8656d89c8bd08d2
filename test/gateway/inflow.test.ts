/**
 * Publishes that come faster than the log takes them, and a log that takes none.
 */
import { describe, expect, test } from "bun:test";
import type { PublishRecord } from "../../src/protocol/frame.ts";
import type { AppendResult, EventLog, LogFailure } from "../../src/runtime/log/event-log.ts";
import { texts } from "../conformance/world.ts";
import { replaced, Stage, until } from "./stage.ts";

const mebibyte = 1_048_576;
const publishers = 12;
const frames = 35;
const payload = new Uint8Array(100_000);
/** What Bun may have read of a socket before it hears of the pause, and one frame that crosses the mark. */
const readAheadBytes = mebibyte;

describe("a flood of publishes while the log is stalled", () => {
  test("stops being read at the mark, disturbs nobody, and is stored completely afterwards", async () => {
    const inflowBytesMax = 4 * mebibyte;
    const released = Promise.withResolvers<void>();
    let [waiting, waitingMax] = [0, 0];
    const log = (inner: EventLog) =>
      replaced(inner, {
        async append(request) {
          if (request.numbered === undefined) return inner.append(request);
          const bytes = request.records.reduce((sum, record) => sum + record.payload.byteLength, 0);
          waiting += bytes;
          waitingMax = Math.max(waitingMax, waiting);
          await released.promise;
          const result = await inner.append(request);
          waiting -= bytes;
          return result;
        },
      });
    await using stage = await Stage.open({ log, config: { inflowBytesMax } });
    const world = stage.world();
    const neighbour = await world.open();
    const clients = await Promise.all(Array.from({ length: publishers }, () => world.open()));
    for (const [index, { peer }] of clients.entries()) {
      for (let first = 1; first <= frames; first++)
        peer.send({ type: "publish", first, records: [{ topic: `flood.${index}`, payload }] });
    }
    await until(() => waiting >= inflowBytesMax, "the flood reaches the mark");
    let [last, unmoved] = [0, 0];
    await until(async () => {
      unmoved = waiting === last ? unmoved + 1 : 0;
      last = waiting;
      await neighbour.peer.fence();
      return unmoved === 40;
    }, "nothing more is read");
    const bound = inflowBytesMax + publishers * readAheadBytes;
    expect(publishers * frames * payload.byteLength).toBeGreaterThan(2 * bound);
    expect(waiting).toBeLessThan(bound);

    released.resolve();
    await Promise.all(clients.map((client) => client.settled(1, frames)));
    expect(stage.log.info().records).toBe(publishers * frames);
    expect(waitingMax).toBeLessThan(bound);
    expect(await neighbour.publishOne("t", "on")).toBeGreaterThan(0);
  }, 30_000);
});

describe("a log that is full", () => {
  const failures: ["full" | "unavailable", "logFull" | "logUnavailable"][] = [
    ["full", "logFull"],
    ["unavailable", "logUnavailable"],
  ];
  test.each(failures)(
    "answering %s is told as %s with the first number not stored; what comes again is stored once, in order",
    async (code, name) => {
      const failure: LogFailure = { ok: false, code, message: "No space left", retryable: true };
      let failing = false;
      const log = (inner: EventLog) =>
        replaced(inner, {
          append: (request): Promise<AppendResult> =>
            failing && request.numbered !== undefined ? Promise.resolve(failure) : inner.append(request),
        });
      await using stage = await Stage.open({ log });
      const world = stage.world();
      const [client, reader] = [await world.open(), await world.open()];
      const reception = await reader.subscribe("t");
      const record = (n: number): PublishRecord => ({ topic: "t", payload: new TextEncoder().encode(String(n)) });
      const send = (n: number) => client.peer.send({ type: "publish", first: n, records: [record(n)] });
      const count = 60;
      for (let n = 1; n <= 10; n++) send(n);
      await client.settled(1, 10);
      failing = true;
      for (let n = 11; n <= count; n++) send(n);
      const error = await client.peer.refusal(name);
      expect([error.n, error.retryAfterMs !== undefined]).toEqual([11, true]);
      await client.peer.fence();
      expect(client.peer.unread("error")).toEqual([]);

      failing = false;
      for (let n = 11; n <= count; n++) send(n);
      expect((await client.settled(11, count - 10)).every((seq) => seq > 0)).toBe(true);
      const expected = Array.from({ length: count }, (_, i) => String(i + 1));
      expect(texts(await reception.take(count))).toEqual(expected);
      expect(stage.log.info().records).toBe(count);
    },
  );

  test("that fails once in the middle of many pipelined publishes stores none of them out of order", async () => {
    let appends = 0;
    const failure: LogFailure = { ok: false, code: "full", message: "No space left", retryable: true };
    const log = (inner: EventLog) =>
      replaced(inner, {
        append: (request): Promise<AppendResult> =>
          request.numbered !== undefined && ++appends % 5 === 0 ? Promise.resolve(failure) : inner.append(request),
      });
    await using stage = await Stage.open({ log });
    const world = stage.world();
    const client = await world.open();
    const count = 100;
    let upTo = 0;
    const sendFrom = (from: number): void => {
      for (let n = from; n <= count; n++) {
        client.peer.send({
          type: "publish",
          first: n,
          records: [{ topic: "t", payload: new TextEncoder().encode(String(n)) }],
        });
      }
    };
    sendFrom(1);
    const published = (async () => {
      while (upTo < count) upTo = (await client.peer.expect("published")).upTo;
    })();
    const refusals = (async () => {
      while (upTo < count) {
        const error = await Promise.race([client.peer.refusal("logFull"), published]);
        if (error !== undefined) sendFrom(error.n ?? 1);
      }
    })();
    await Promise.race([published, refusals.then(() => published)]);
    const page = await client.history("t", { limit: 1_000 });
    expect(texts(page.records)).toEqual(Array.from({ length: count }, (_, i) => String(i + 1)));
    refusals.catch(() => undefined);
  });
});
