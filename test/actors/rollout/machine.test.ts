import { describe, expect, test } from "bun:test";
import { createActor, SimulatedClock } from "xstate";
import type { RolloutEffect } from "../../../src/actors/effect.ts";
import type { Behaviour } from "../../../src/actors/rollout/judge.ts";
import { type RolloutSignal, rolloutMachine } from "../../../src/actors/rollout/machine.ts";

const limits = { errorRatioMax: 0.02, latencyFactorMax: 2, latencyMs: 50 };
const well: Behaviour = { handshakes: 100, handshakesFailed: 0, framesIn: 1_000, errors: 0, latencyP99Ms: 10 };
const bad: Behaviour = { ...well, handshakesFailed: 50 };
const taken: RolloutSignal = { type: "baseline.taken", behaviour: well };
const moved: RolloutSignal = { type: "clients.moved" };

function started(...signals: readonly RolloutSignal[]) {
  const clock = new SimulatedClock();
  const effects: RolloutEffect[] = [];
  const machine = rolloutMachine.provide({ actions: { "perform effect": (_, effect) => void effects.push(effect) } });
  const input = { stages: [0.1, 0.5, 1], limits, watchMs: 1_000, moveMs: 5_000 };
  const actor = createActor(machine, { input, clock });
  actor.start();
  for (const signal of signals) actor.send(signal);
  const state = () => actor.getSnapshot().value;
  const reason = () => actor.getSnapshot().context.reason;
  return { actor, clock, effects, state, reason };
}

describe("rollout machine", () => {
  test("moves 10 %, 50 % and all clients, each as a share of those that are still on the old nodes, and is done", () => {
    const { actor, clock, effects, state } = started(taken);
    for (let stage = 0; stage < 3; stage++) {
      expect(state()).toBe("moving");
      actor.send(moved);
      actor.send({ type: "nodes.watched", behaviour: well });
      clock.increment(1_000);
    }
    expect(state()).toBe("done");
    const shares = effects.map((effect) => (effect.type === "move clients" ? effect.share : effect.type));
    expect(shares).toEqual(["take baseline", 0.1, 0.4 / 0.9, 1]);
  });

  test("takes everybody back when a threshold is passed while a stage is watched, and says why", () => {
    const { actor, effects, state, reason } = started(taken, moved, { type: "nodes.watched", behaviour: bad });
    expect([state(), reason()]).toEqual(["rollingBack", "50 of 100 handshakes failed, 2 % may"]);
    expect(effects.at(-1)).toEqual({ type: "take clients back" });
    actor.send({ type: "clients.returned" });
    expect(state()).toBe("rolledBack");
  });

  test("takes everybody back when a threshold is passed while clients still move", () => {
    expect(started(taken, { type: "nodes.watched", behaviour: bad }).state()).toBe("rollingBack");
  });

  test("takes everybody back when a move does not end in time", () => {
    const { clock, state, reason } = started(taken);
    clock.increment(5_000);
    expect([state(), reason()]).toEqual(["rollingBack", "the clients did not move in time"]);
  });

  test("takes everybody back when a node is lost, and when it is asked to stop", () => {
    const lost = started(taken, moved, { type: "nodes.lost", cause: "g2 does not answer" });
    expect([lost.state(), lost.reason()]).toEqual(["rollingBack", "g2 does not answer"]);
    const stopped = started(taken, { type: "stop.asked" });
    expect([stopped.state(), stopped.reason()]).toEqual(["rollingBack", "it was asked to stop"]);
  });

  test("has nothing to take back when it fails before the first move", () => {
    const { effects, state } = started({ type: "nodes.lost", cause: "g0 does not answer" });
    expect([state(), effects]).toEqual(["failed", [{ type: "take baseline" }]]);
  });

  test("fails when nobody can be taken back in time, and keeps the reason for which it tried", () => {
    const { clock, state, reason } = started(taken, { type: "stop.asked" });
    clock.increment(5_000);
    expect([state(), reason()]).toEqual(["failed", "it was asked to stop"]);
  });
});
