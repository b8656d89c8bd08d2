import { expect, test } from "bun:test";
import { Inflow } from "../../src/runtime/inflow.ts";

function peer() {
  const calls: string[] = [];
  return { calls, pause: () => void calls.push("pause"), resume: () => void calls.push("resume") };
}

test("Inflow pauses whoever publishes past the mark, once, and reads all again below half of it", () => {
  const inflow = new Inflow(100);
  const [small, large, idle] = [peer(), peer(), peer()];
  inflow.enter(99, small);
  inflow.enter(1, large);
  inflow.enter(10, large);
  expect([small.calls, large.calls, idle.calls, inflow.pausedCount]).toEqual([[], ["pause"], [], 1]);
  inflow.leave(59);
  expect(large.calls).toEqual(["pause"]);
  inflow.leave(1);
  expect([large.calls, inflow.pausedCount, inflow.bytes]).toEqual([["pause", "resume"], 0, 50]);
});

test("Inflow does not resume a connection that is gone", () => {
  const inflow = new Inflow(10);
  const gone = peer();
  inflow.enter(10, gone);
  inflow.forget(gone);
  inflow.leave(10);
  expect(gone.calls).toEqual(["pause"]);
});
