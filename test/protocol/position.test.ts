/** planResume() over epochs that ended because the log lost its end. */
import { expect, test } from "bun:test";
import { planResume } from "../../src/protocol/position.ts";

const earlier = [
  { epoch: "e", last: 50 },
  { epoch: "e+1", last: 70 },
];
const log = { epoch: "e+2", earlier, firstSeq: 1, lastSeq: 200 };

test("planResume() goes on from a position of an earlier epoch that is still true", () => {
  expect(planResume({ epoch: "e", seq: 50 }, log)).toEqual({ kind: "replay", from: 51 });
  expect(planResume({ epoch: "e+1", seq: 70 }, log)).toEqual({ kind: "replay", from: 71 });
});

test("planResume() answers ahead for a position beyond what an earlier epoch kept, however far the log has grown", () => {
  expect(planResume({ epoch: "e", seq: 51 }, log)).toEqual({ kind: "ahead", last: 50 });
  expect(planResume({ epoch: "e+1", seq: 71 }, log)).toEqual({ kind: "ahead", last: 70 });
});

test("planResume() holds a position against every loss since its epoch, not only the first", () => {
  const again = { ...log, earlier: [...earlier, { epoch: "e+2", last: 30 }], epoch: "e+3" };
  expect(planResume({ epoch: "e", seq: 40 }, again)).toEqual({ kind: "ahead", last: 30 });
  expect(planResume({ epoch: "e+2", seq: 30 }, again)).toEqual({ kind: "replay", from: 31 });
});

test("planResume() answers epochChanged for an epoch that the log never had", () => {
  expect(planResume({ epoch: "other", seq: 10 }, log)).toEqual({ kind: "epochChanged", first: 1 });
});
