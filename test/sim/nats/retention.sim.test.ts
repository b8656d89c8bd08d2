/**
 * Retention that is faster than a node: what it took is never passed over without a word.
 */
import { expect, test } from "bun:test";
import { logStage, recordsOf } from "./log-stage.ts";
import { fromJson } from "./message.ts";
import { purge } from "./server.ts";

const everything = { filter: ">", after: 0, recordsMax: 100, bytesMax: 1e6 };
const topics = "weir.t.>";

test("read() tells what retention took while the page was read, also in the middle of it", () => {
  let takeNow: (() => void) | undefined;
  const { nats, records, log, within } = logStage(3, {
    sends: (message) => {
      const isNext = message.subject === "$JS.API.STREAM.MSG.GET.WEIR";
      if (isNext && fromJson<{ seq?: number }>(message.data).seq === 4) takeNow?.();
      return message;
    },
  });
  within(1_000, log.append({ records: recordsOf(3) }));
  nats.freezeReplica(5_000);
  within(1_000, log.append({ records: recordsOf(6) }));
  takeNow = () => purge(records, { filter: topics, seq: 7 });
  const page = within(1_000, log.read(everything));
  expect(page.records.map(({ seq }) => seq)).toEqual([1, 2, 3, 7, 8, 9]);
  expect(log.info().firstSeq).toBe(7);
});

test("read() tells that retention took everything", () => {
  const { records, log, within } = logStage(3);
  within(1_000, log.append({ records: recordsOf(3) }));
  purge(records, { filter: topics, seq: 4 });
  expect(within(1_000, log.read(everything)).records).toEqual([]);
  expect(log.info()).toMatchObject({ firstSeq: 4, lastSeq: 3 });
});

test("follow() tells what retention took while NATS was away, before what comes then", () => {
  const { clock, nats, records, log, within } = logStage(3);
  within(1_000, log.append({ records: recordsOf(1) }));
  const told: unknown[] = [];
  log.follow(
    1,
    (page) => told.push(...page.map(({ seq }) => seq)),
    (firstSeq) => told.push({ firstSeq, known: log.info().firstSeq }),
  );
  within(1_000, log.append({ records: recordsOf(1) }));
  nats.away(5_000);
  const missed = { subject: "weir.t.t", fields: new Map<string, string>(), data: new Uint8Array(1) };
  for (let i = 0; i < 4; i++) records.store(missed);
  purge(records, { filter: topics, seq: 6 });
  clock.runUntil(clock.nowMs + 10_000);
  within(1_000, log.append({ records: recordsOf(1) }));
  expect(told).toEqual([2, { firstSeq: 6, known: 6 }, 6, 7]);
});
