import { expect, test } from "bun:test";
import { assertLimits, limits } from "../../src/protocol/limits.ts";

test("assertLimits() takes the defaults, and refuses what contradicts itself with the reason", () => {
  expect(() => assertLimits(limits)).not.toThrow();
  expect(() => assertLimits({ ...limits, deliverWindowBytes: limits.payloadBytesMax - 1 })).toThrow(
    "one record always fits in the window",
  );
  expect(() => assertLimits({ ...limits, ackWaitMs: 0 })).toThrow("ackWaitMs is a whole number from 1, not 0");
});
