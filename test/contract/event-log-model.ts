/**
 * Random commands against a log and against the simplest thing that could be one: an array. Every answer must agree.
 * @module
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { matches } from "../../src/protocol/topic.ts";
import type { AppendRequest, EventLog, LogRecord, NewRecord } from "../../src/runtime/log/event-log.ts";
import type { OpenLog } from "./event-log-fixture.ts";

type Command =
  | {
      readonly type: "append";
      readonly topics: readonly string[];
      readonly producer: number;
      readonly resent: number;
      readonly gap: number;
    }
  | {
      readonly type: "read";
      readonly filter: string;
      readonly from: number;
      readonly to: number;
      readonly page: number;
      readonly backward: boolean;
    }
  | { readonly type: "last"; readonly filter: string; readonly from: number }
  | { readonly type: "trim"; readonly records: number }
  | { readonly type: "forget"; readonly producer: number }
  | { readonly type: "reopen" };

const topic = fc
  .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
  .map((tokens) => tokens.join("."));
const filter = fc.oneof(topic, fc.constantFrom(">", "*", "a.*", "*.b", "a.>", "*.*.c", "b.*.>", "nobody"));
const place = fc.integer({ min: 0, max: 120 });
const producer = fc.integer({ min: 0, max: 2 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      topics: fc.array(topic, { minLength: 1, maxLength: 8 }),
      producer,
      resent: fc.integer({ min: 0, max: 3 }),
      gap: fc.integer({ min: -2, max: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("read" as const),
      filter,
      from: place,
      to: place,
      page: fc.integer({ min: 1, max: 9 }),
      backward: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("last" as const), filter, from: place }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("trim" as const), records: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("forget" as const), producer }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reopen" as const) }) },
);

type Held = { readonly seq: number; readonly topic: string; readonly id: string };

/** The whole log as a list. */
class Model {
  held: Held[] = [];
  lastSeq = 0;
  readonly marks = new Map<string, number>();

  append(request: AppendRequest): "outOfOrder" | number[] {
    const { producer: name, after, numbers } = request.numbered as NonNullable<AppendRequest["numbered"]>;
    const mark = this.marks.get(name) ?? 0;
    if (mark < after) return "outOfOrder";
    return request.records.map((record, i) => {
      const number = numbers[i] as number;
      if (number <= mark) return 0;
      this.held.push({ seq: ++this.lastSeq, topic: record.topic, id: record.id });
      this.marks.set(name, number);
      return this.lastSeq;
    });
  }

  matching(pattern: string, after: number, until = this.lastSeq): Held[] {
    return this.held.filter((record) => record.seq > after && record.seq <= until && matches(pattern, record.topic));
  }

  newest(pattern: string, after: number): Held[] {
    const found = this.matching(pattern, 0);
    return found.filter(
      (record, i) => record.seq > after && !found.slice(i + 1).some((later) => later.topic === record.topic),
    );
  }

  trim(records: number): number {
    const gone = Math.max(0, this.held.length - records);
    this.held = this.held.slice(gone);
    return gone;
  }
}

function held(records: readonly LogRecord[]): Held[] {
  return records.map(({ seq, topic: name, id }) => ({ seq, topic: name, id }));
}

function appendRequest(
  model: Model,
  { topics, producer: who, resent, gap }: Extract<Command, { type: "append" }>,
): AppendRequest {
  const mark = model.marks.get(`p${who}`) ?? 0;
  const after = Math.max(0, mark - resent + gap);
  const records: NewRecord[] = topics.map((name, i) => ({
    topic: name,
    id: `p${who}/${after + 1 + i}`,
    lane: 1,
    payload: new TextEncoder().encode(`${after}`),
  }));
  return { records, numbered: { producer: `p${who}`, after, numbers: records.map((_, i) => after + 1 + i) } };
}

async function readAll(
  log: EventLog,
  { filter: pattern, from, to, page, backward }: Extract<Command, { type: "read" }>,
): Promise<LogRecord[]> {
  const found: LogRecord[] = [];
  let [after, until] = [from, Math.min(to, log.info().lastSeq)];
  for (;;) {
    const read = await log.read({ filter: pattern, after, until, backward, recordsMax: page, bytesMax: 1 << 20 });
    found.push(...read.records);
    if (read.done) return backward ? found.reverse() : found;
    expect(read.records.length).toBeGreaterThan(0);
    if (backward) until = read.scannedTo - 1;
    else after = read.scannedTo;
  }
}

async function run(model: Model, log: EventLog, step: Command): Promise<void> {
  switch (step.type) {
    case "append": {
      const request = appendRequest(model, step);
      const result = await log.append(request);
      expect(result.ok ? result.seqs : result.code).toEqual(model.append(request));
      break;
    }
    case "read":
      expect(held(await readAll(log, step))).toEqual(
        model.matching(step.filter, step.from, Math.min(step.to, model.lastSeq)),
      );
      break;
    case "last":
      expect(held(await log.lastPerTopic(step.filter, step.from, 1_000))).toEqual(model.newest(step.filter, step.from));
      break;
    case "trim":
      expect(await log.trim({ records: step.records, ageMs: 0, bytes: 0 })).toBe(model.trim(step.records));
      break;
    case "forget":
      await log.forgetProducer(`p${step.producer}`);
      model.marks.delete(`p${step.producer}`);
      break;
    case "reopen":
      break;
  }
}

export function eventLogModel(open: OpenLog, numRuns: number): void {
  describe("against an array", () => {
    test("any sequence of commands gives the same answers", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async (steps) => {
          const opened = await open();
          const model = new Model();
          let { log } = opened;
          try {
            for (const step of steps) {
              if (step.type === "reopen") log = await opened.reopen();
              await run(model, log, step);
              const { firstSeq, lastSeq, records } = log.info();
              expect([firstSeq, lastSeq, records]).toEqual([
                model.lastSeq - model.held.length + 1,
                model.lastSeq,
                model.held.length,
              ]);
            }
            expect(
              held(await readAll(log, { type: "read", filter: ">", from: 0, to: 1e9, page: 50, backward: false })),
            ).toEqual(model.held);
          } finally {
            await opened.dispose();
          }
        }),
        { numRuns },
      );
    }, 60_000);
  });
}
