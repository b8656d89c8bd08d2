import { expect, test } from "bun:test";
import { type Behaviour, judge } from "../../../src/actors/rollout/judge.ts";

const limits = { errorRatioMax: 0.02, latencyFactorMax: 2, latencyMs: 50 };
const well: Behaviour = { handshakes: 1_000, handshakesFailed: 0, framesIn: 10_000, errors: 10, latencyP99Ms: 20 };
const nowWith = (change: Partial<Behaviour>) => judge(well, { ...well, ...change }, limits);

test("judge() finds nothing where the new nodes do as the old ones did", () => {
  expect(nowWith({})).toBeUndefined();
});

test("judge() says which share of handshakes failed when it is more than before and the threshold together", () => {
  expect(nowWith({ handshakesFailed: 20 })).toBeUndefined();
  expect(nowWith({ handshakesFailed: 21 })).toBe("21 of 1000 handshakes failed, 2 % may");
});

test("judge() says how many clients did not come when they were sent", () => {
  expect(nowWith({ sent: 100, notCome: 2 })).toBeUndefined();
  expect(nowWith({ sent: 100, notCome: 3 })).toBe("3 of 100 moves failed, 2 % may");
});

test("judge() allows the share of errors that there was before, and the threshold beyond it", () => {
  expect(nowWith({ errors: 210 })).toBeUndefined();
  expect(nowWith({ errors: 211 })).toBe("211 of 10000 frames failed, 2.1 % may");
});

test("judge() lets latency grow by the factor or up to the floor, whatever is more", () => {
  expect(nowWith({ latencyP99Ms: 50 })).toBeUndefined();
  expect(nowWith({ latencyP99Ms: 51 })).toBe("p99 of latency is 51 ms, 50 ms may be");
  const slow = { ...well, latencyP99Ms: 40 };
  expect(judge(slow, { ...well, latencyP99Ms: 80 }, limits)).toBeUndefined();
  expect(judge(slow, { ...well, latencyP99Ms: 81 }, limits)).toBe("p99 of latency is 81 ms, 80 ms may be");
});

test("judge() says nothing of shares while there is too little to tell, and of latency while nothing was delivered", () => {
  const { latencyP99Ms: _, ...silent } = well;
  expect(
    judge(well, { ...silent, handshakes: 9, handshakesFailed: 9, framesIn: 9, errors: 9 }, limits),
  ).toBeUndefined();
  expect(nowWith({ handshakes: 0, handshakesFailed: 10 })).toBe("10 of 0 handshakes failed, 2 % may");
});
