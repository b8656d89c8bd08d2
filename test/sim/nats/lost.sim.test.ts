/**
 * What is lost between a node and NATS: the last message of a consumer, every answer for half a minute, and who wrote
 * for a producer last.
 */
import { expect, test } from "bun:test";
import type { AppendResult } from "../../../src/runtime/log/event-log.ts";
import { logStage, recordsOf } from "./log-stage.ts";

test("follow() gives the last record there is, also when the message that brought it is lost", () => {
  let loses = false;
  const { clock, log, within } = logStage(3, {
    hears: (delivery) => {
      const isRecord = delivery.reply?.startsWith("$JS.ACK.WEIR.") === true;
      return loses && isRecord ? { ...delivery, to: "nobody" } : delivery;
    },
  });
  const seen: number[] = [];
  log.follow(0, (page) => seen.push(...page.map(({ seq }) => seq)));
  within(1_000, log.append({ records: recordsOf(1) }));
  loses = true;
  within(100, log.append({ records: recordsOf(1) }));
  loses = false;
  clock.runUntil(clock.nowMs + 2_000);
  expect(seen).toEqual([1, 2]);
});

test("append() of what is under way already is not acknowledged when that is given up", () => {
  const { nats, records, log, within } = logStage(1);
  const numbered = { producer: "p", after: 0, numbers: [1] };
  within(1_000, log.append({ records: recordsOf(1), numbered }));
  nats.away(45_000);
  const next = { records: recordsOf(1), numbered: { producer: "p", after: 1, numbers: [2] } };
  const results: AppendResult[] = [];
  for (let i = 0; i < 2; i++) void log.append(next).then((result) => results.push(result));
  within(40_000, Promise.resolve());
  expect(results.map(({ ok }) => ok)).toEqual([false, false]);
  expect(records.lastSeq).toBe(1);
});

test("producerMark() is answered again after NATS did not say who wrote for that producer last", () => {
  let silent = false;
  const { clock, log, another, within } = logStage(3, {
    sends: (message) => {
      const isAsked = message.subject === "$JS.API.STREAM.MSG.GET.WEIR_JOURNAL";
      return silent && isAsked ? { ...message, subject: "nowhere", reply: undefined } : message;
    },
  });
  const numbered = (number: number) => ({ producer: "p", after: number - 1, numbers: [number] });
  within(1_000, log.append({ records: recordsOf(1), numbered: numbered(1) }));
  within(1_000, another("other").append({ records: recordsOf(1), numbered: numbered(2) }));
  silent = true;
  clock.runUntil(clock.nowMs + 30_000);
  silent = false;
  expect(within(5_000, log.producerMark("p"))).toBe(2);
  expect(within(1_000, log.append({ records: recordsOf(1), numbered: numbered(3) }))).toMatchObject({ ok: true });
});
