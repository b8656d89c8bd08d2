/**
 * What the ring of recent records covers it reads as a filter over all records would, page by page.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { matches } from "../../src/protocol/topic.ts";
import type { LogRecord } from "../../src/runtime/log/event-log.ts";
import { RecentRecords } from "../../src/runtime/recent-records.ts";

const topics = ["a", "b", "a.x", "a.y"] as const;
const arrivals = fc.array(fc.record({ gap: fc.integer({ min: 1, max: 3 }), topic: fc.constantFrom(...topics) }), {
  maxLength: 60,
});

test("RecentRecords reads every matching record after a covered seq once, and covers what it still holds", () => {
  fc.assert(
    fc.property(
      arrivals,
      fc.constantFrom("a", "a.*", ">"),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(180),
      (list, filter, held, from) => {
        const recent = new RecentRecords(0, { recordsMax: held, bytesMax: 1_000_000 });
        const all: LogRecord[] = [];
        for (const { gap, topic } of list) {
          const seq = (all.at(-1)?.seq ?? 0) + gap;
          const record: LogRecord = { seq, time: 0, topic, id: "", lane: 2, payload: new Uint8Array() };
          all.push(record);
          recent.push(record);
        }
        const forgotten = all.at(-held - 1)?.seq ?? 0;
        expect(recent.covers(from)).toBe(from >= forgotten);
        if (!recent.covers(from)) return;
        const read: number[] = [];
        let page = recent.read(filter, from, { records: 3, bytes: 1_000 });
        read.push(...page.records.map(({ seq }) => seq));
        while (!page.done) {
          page = recent.read(filter, page.scannedTo, { records: 3, bytes: 1_000 });
          read.push(...page.records.map(({ seq }) => seq));
        }
        expect(page.scannedTo).toBe(Math.max(from, all.at(-1)?.seq ?? 0));
        expect(read).toEqual(
          all.filter(({ seq, topic }) => seq > from && matches(filter, topic)).map(({ seq }) => seq),
        );
      },
    ),
  );
});
