import { expect, test } from "bun:test";
import { assertLimits, limits } from "../../src/protocol/limits.ts";

test("assertLimits() takes the defaults, and refuses what contradicts itself with the reason", () => {
  expect(() => assertLimits(limits)).not.toThrow();
  expect(() => assertLimits({ ...limits, deliverWindowBytes: limits.payloadBytesMax - 1 })).toThrow(
    "deliverWindowBytes (524287) must be at least payloadBytesMax (524288): one record always fits in the window",
  );
  expect(() => assertLimits({ ...limits, ackWaitMs: 0 })).toThrow("ackWaitMs must be a whole number from 1, got 0");
});
