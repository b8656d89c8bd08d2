import { describe, expect, test } from "bun:test";
import { createActor } from "xstate";
import type { NodeEffect } from "../../../src/actors/effect.ts";
import { type NodeSignal, nodeMachine } from "../../../src/actors/node/machine.ts";

const bounds = { suspectMs: 1_500, unhealthyMs: 2_500 };
const says = (status: "joining" | "healthy" | "unhealthy" | "draining" | "left", cause = ""): NodeSignal => ({
  type: "node.says",
  status,
  cause,
});
const silent = (ms: number): NodeSignal => ({ type: "node.silent", ms });

/** What it tells, in order. */
function told(...signals: readonly NodeSignal[]): readonly string[] {
  const lines: string[] = [];
  const machine = nodeMachine.provide({
    actions: { "perform effect": (_, { status, cause }: NodeEffect) => void lines.push(`${status}: ${cause}`) },
  });
  const actor = createActor(machine, { input: { node: "n", bounds } });
  actor.start();
  for (const signal of signals) if (actor.getSnapshot().status === "active") actor.send(signal);
  return lines;
}

describe("nodeMachine", () => {
  test("follows what a node says of itself, and tells a change once", () => {
    const life = [
      says("healthy", "up"),
      says("healthy"),
      says("draining", "deploy"),
      says("draining"),
      says("left", "bye"),
    ];
    expect(told(...life)).toEqual(["healthy: up", "draining: deploy", "left: bye"]);
    expect(told(says("joining"), says("unhealthy", "no lease"), says("unhealthy"), says("healthy", "again"))).toEqual([
      "unhealthy: no lease",
      "healthy: again",
    ]);
  });

  test("goes from every status that takes part to suspect and unhealthy at the bounds, and not before", () => {
    for (const status of ["joining", "healthy", "draining"] as const) {
      const before = status === "joining" ? [] : [`${status}: `];
      expect(told(says(status), silent(1_499))).toEqual(before);
      expect(told(says(status), silent(1_500), silent(2_499))).toEqual([...before, "suspect: silent"]);
      expect(told(says(status), silent(1_500), silent(2_500), silent(9_999))).toEqual([
        ...before,
        "suspect: silent",
        "unhealthy: silent for long",
      ]);
    }
  });

  test("is again what it says as soon as it says it", () => {
    expect(told(says("healthy"), silent(1_500), says("healthy", "beats again")).at(-1)).toBe("healthy: beats again");
    expect(told(says("healthy"), silent(1_500), silent(2_500), says("draining", "stops")).at(-1)).toBe(
      "draining: stops",
    );
  });

  test("is forgotten from unhealthy alone, and does not come back once it has left", () => {
    expect(told(says("healthy"), { type: "node.forgotten" })).toEqual(["healthy: "]);
    const dead = [says("healthy"), silent(1_500), silent(2_500), { type: "node.forgotten" }] as const;
    expect(told(...dead, says("healthy", "late")).at(-1)).toBe("left: forgotten");
  });
});
