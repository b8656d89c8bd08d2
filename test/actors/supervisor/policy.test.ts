import { expect, test } from "bun:test";
import {
  restartIn,
  type SupervisorState,
  supervise,
  supervision,
  type Verdict,
} from "../../../src/actors/supervisor/policy.ts";

function crashes(times: readonly number[]): { verdicts: Verdict[]; state: SupervisorState } {
  let state: SupervisorState = new Map();
  const verdicts = times.map((at) => {
    const outcome = supervise(state, { actor: "session:a", cause: "boom", at });
    state = outcome.state;
    return outcome.verdict;
  });
  return { verdicts, state };
}

test("supervise() restarts with a delay that doubles, and gives up after the last allowed crash in a row", () => {
  const { verdicts } = crashes([0, 1, 2, 3, 4]);
  expect(verdicts).toEqual([
    { kind: "restart", delayMs: 100 },
    { kind: "restart", delayMs: 200 },
    { kind: "restart", delayMs: 400 },
    { kind: "restart", delayMs: 800 },
    { kind: "give up" },
  ]);
});

test("supervise() forgives an actor that was well long enough", () => {
  const { verdicts } = crashes([0, 1, 2 + supervision.forgiveMs]);
  expect(verdicts.at(-1)).toEqual({ kind: "restart", delayMs: 100 });
});

test("restartIn() counts down to the end of the delay, and knows nothing of others", () => {
  const { state } = crashes([1_000]);
  expect(restartIn(state, "session:a", 1_000)).toBe(100);
  expect(restartIn(state, "session:a", 1_100)).toBe(0);
  expect(restartIn(state, "session:b", 1_000)).toBe(0);
});

test("supervise() remembers a bounded number of actors, the newest ones", () => {
  let state: SupervisorState = new Map();
  const count = supervision.rememberedMax + 5;
  for (let i = 0; i < count; i++) state = superviseOne(state, `a${i}`);
  expect(state.size).toBe(supervision.rememberedMax);
  expect(state.has("a0")).toBe(false);
  expect(state.has(`a${count - 1}`)).toBe(true);
});

function superviseOne(state: SupervisorState, actor: string): SupervisorState {
  // The map is copied at each crash; a test of ten thousand needs it to stay cheap enough.
  return supervise(state, { actor, cause: "boom", at: 0 }).state;
}
