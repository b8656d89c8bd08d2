import { expect, test } from "bun:test";
import { LoadMeter } from "../../../src/runtime/cluster/load-meter.ts";
import { Counters, LatencyHistogram } from "../../../src/runtime/metrics.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { stillProcess } from "../../support/still-process.ts";

function stage() {
  const clock = new ManualClock();
  const counters = new Counters();
  const loopDelay = new LatencyHistogram();
  const spent = { cpuSeconds: 0 };
  const probe = stillProcess({ cores: 4, loopDelay, cpuSeconds: () => spent.cpuSeconds, residentBytes: () => 123 });
  const meter = new LoadMeter({ clock, probe, counters, sessions: () => 5, acceleratorFreeBytes: () => 77 });
  return { clock, counters, loopDelay, spent, meter };
}

test("measure() tells counts as they are, and rates over the last two seconds", () => {
  const { clock, counters, loopDelay, spent, meter } = stage();
  counters.connections = 3;
  expect(meter.measure()).toEqual({
    ...{ connections: 3, sessions: 5, cpu: 0, loopDelayMs: 0, residentBytes: 123 },
    ...{ bytesInPerSecond: 0, bytesOutPerSecond: 0, acceleratorFreeBytes: 77 },
  });
  for (let half = 0; half < 8; half++) {
    clock.advance(500);
    spent.cpuSeconds += 0.5; // one core of four
    counters.bytesIn += 1_000;
    counters.bytesOut += 3_000;
    loopDelay.observe(1.5, 25);
    meter.measure();
  }
  expect(meter.measure()).toMatchObject({
    cpu: 0.25,
    bytesInPerSecond: 2_000,
    bytesOutPerSecond: 6_000,
    loopDelayMs: 2,
  });
  for (let half = 0; half < 6; half++) {
    clock.advance(500);
    meter.measure();
  }
  expect(meter.measure()).toMatchObject({ cpu: 0, bytesInPerSecond: 0, loopDelayMs: 0 });
});

test("measure() tells no share beyond all cores and no rate below none when the clock was set back", () => {
  const { clock, spent, meter } = stage();
  meter.measure();
  clock.advance(1);
  spent.cpuSeconds += 60;
  expect(meter.measure().cpu).toBe(1);
});
