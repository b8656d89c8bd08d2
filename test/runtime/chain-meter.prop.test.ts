/**
 * The meter answers as a list of all frames would, as long as it remembers; and cuts what is unacknowledged into frames.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ChainMeter } from "../../src/runtime/chain-meter.ts";

const frames = fc.array(fc.record({ gap: fc.integer({ min: 1, max: 5 }), records: fc.integer({ min: 1, max: 9 }) }), {
  minLength: 1,
  maxLength: 200,
});

test("ChainMeter answers at() and since() as the sum over all frames, while nobody has acknowledged", () => {
  fc.assert(
    fc.property(frames, fc.nat(1_000), (list, probe) => {
      const meter = new ChainMeter(8_192);
      const ends: { upTo: number; records: number; bytes: number }[] = [];
      let seq = 0;
      for (const { gap, records } of list) {
        seq += gap;
        meter.push(seq, { records, bytes: records * 10 }, () => 0);
        ends.push({ upTo: seq, records, bytes: records * 10 });
      }
      const known = ends.filter(({ upTo }) => upTo <= probe);
      const records = known.reduce((sum, frame) => sum + frame.records, 0);
      const total = { records, bytes: records * 10 };
      expect(meter.at(probe)).toEqual(known.length === 0 ? undefined : total);
      expect([...meter.since(total)]).toEqual(ends.slice(known.length));
    }),
  );
});

test("ChainMeter forgets only what everybody acknowledged while it may grow", () => {
  fc.assert(
    fc.property(frames, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
      const meter = new ChainMeter(8_192);
      const ends: { upTo: number; records: number }[] = [];
      let [seq, records, floor] = [0, 0, 0];
      for (const frame of list) {
        seq += frame.gap;
        records += frame.records;
        meter.push(seq, { records: frame.records, bytes: 0 }, () => floor);
        ends.push({ upTo: seq, records });
        floor = Math.max(floor, Math.floor(seq * share));
      }
      for (const end of ends.filter(({ upTo }) => upTo > floor)) expect(meter.at(end.upTo)?.records).toBe(end.records);
    }),
  );
});

test("ChainMeter at its capacity gets coarser: it never counts early, and since() tells all that is in flight", () => {
  fc.assert(
    fc.property(frames, fc.nat(1_000), (list, probe) => {
      const meter = new ChainMeter(16);
      const ends: { upTo: number; records: number }[] = [];
      let [seq, records] = [0, 0];
      for (const frame of list) {
        seq += frame.gap;
        records += frame.records;
        meter.push(seq, { records: frame.records, bytes: 0 }, () => 0);
        ends.push({ upTo: seq, records });
      }
      const exact = ends.findLast(({ upTo }) => upTo <= probe)?.records ?? 0;
      const told = meter.at(probe)?.records ?? 0;
      expect(told).toBeLessThanOrEqual(exact);
      if (probe >= seq) expect(told).toBe(records);
      const pieces = [...meter.since({ records: told, bytes: 0 })];
      expect(pieces.reduce((sum, piece) => sum + piece.records, 0)).toBe(records - told);
      const largest = Math.max(0, ...pieces.map((piece) => piece.records));
      expect(largest).toBeLessThanOrEqual(Math.max(9, records / 2));
    }),
  );
});
