import { expect, test } from "bun:test";
import { createActor, setup } from "xstate";
import { ActorTimers } from "../../src/runtime/actor-timers.ts";
import { ManualClock } from "../support/manual-clock.ts";

const machine = setup({ delays: { soon: 100 } }).createMachine({
  initial: "waiting",
  states: { waiting: { after: { soon: "late" }, on: { leave: "idle" } }, idle: {}, late: {} },
});

function started() {
  const clock = new ManualClock();
  const actor = createActor(machine);
  ActorTimers.install(actor.system, clock);
  actor.start();
  return { actor, clock };
}

test("a delayed transition is taken at its time on the clock port, not before", () => {
  const { actor, clock } = started();
  clock.advance(99);
  expect(actor.getSnapshot().value).toBe("waiting");
  clock.advance(1);
  expect(actor.getSnapshot().value).toBe("late");
});

test("leaving the state or ending the actor cancels its timer", () => {
  const left = started();
  left.actor.send({ type: "leave" });
  left.clock.advance(1_000);
  expect(left.actor.getSnapshot().value).toBe("idle");
  expect(left.clock.pending).toBe(0);
  const ended = started();
  ended.actor.stop();
  expect(ended.clock.pending).toBe(0);
});
