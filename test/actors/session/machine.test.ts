import { describe, expect, test } from "bun:test";
import { createActor, SimulatedClock } from "xstate";
import type { SessionEffect } from "../../../src/actors/effect.ts";
import { sessionMachine } from "../../../src/actors/session/machine.ts";

function started(detachedForMs: number) {
  const clock = new SimulatedClock();
  const effects: SessionEffect[] = [];
  const machine = sessionMachine.provide({ actions: { "perform effect": (_, effect) => void effects.push(effect) } });
  const actor = createActor(machine, { input: { id: "s1", resumeWindowMs: 1_000, detachedForMs }, clock });
  actor.start();
  return { actor, clock, effects };
}

describe("session machine", () => {
  test("expires when nobody attaches within the resume window", () => {
    const { actor, clock, effects } = started(0);
    clock.increment(999);
    expect(effects).toEqual([]);
    clock.increment(1);
    expect(effects).toEqual([{ type: "expire session" }]);
    expect(actor.getSnapshot().value).toBe("expired");
  });

  test("waits only for the rest of the window when it was detached before a restart", () => {
    const { clock, effects } = started(900);
    clock.increment(100);
    expect(effects).toEqual([{ type: "expire session" }]);
  });

  test("has its whole window again after it was attached", () => {
    const { actor, clock, effects } = started(900);
    actor.send({ type: "connection.attached" });
    clock.increment(10_000);
    actor.send({ type: "connection.lost" });
    clock.increment(999);
    expect(effects).toEqual([]);
    clock.increment(1);
    expect(effects).toEqual([{ type: "expire session" }]);
  });

  test("never expires once it is closed", () => {
    const { actor, clock, effects } = started(0);
    actor.send({ type: "session.closed" });
    clock.increment(10_000);
    expect(effects).toEqual([]);
  });
});
