import { expect, test } from "bun:test";
import { Liveness } from "../../src/runtime/liveness.ts";

const limits = { heartbeatMs: 20_000, pongMs: 10_000 };

test("Liveness asks a peer that is silent for a heartbeat, and measures the answer", () => {
  const liveness = new Liveness(limits, 0);
  expect(liveness.check(19_999)).toBeUndefined();
  expect(liveness.check(20_000)).toBe(1);
  liveness.heard(20_030);
  liveness.answered(1, 20_030);
  expect(liveness.roundTripMs).toBe(30);
  expect(liveness.check(40_029)).toBeUndefined();
  expect(liveness.check(40_030)).toBe(2);
  liveness.answered(1, 40_040);
  expect(liveness.roundTripMs).toBe(30);
});

test("Liveness gives a peer up whose PING stays unanswered, and not one that said anything since", () => {
  const liveness = new Liveness(limits, 0);
  liveness.check(20_000);
  expect(liveness.check(29_999)).toBeUndefined();
  expect(liveness.check(30_000)).toBe("silent");
  const talking = new Liveness(limits, 0);
  talking.check(20_000);
  talking.heard(25_000);
  expect(talking.check(30_000)).toBeUndefined();
});
