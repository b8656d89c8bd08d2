/**
 * History in, decision out: given(events).when(command).decides(decision).
 * @module
 */
import { expect } from "bun:test";
import { type Decision, decide, type SessionCommand } from "../../src/actors/session/decide.ts";
import type { SessionEvent } from "../../src/actors/session/events.ts";
import { evolve } from "../../src/actors/session/evolve.ts";
import { initialState, type SessionState } from "../../src/actors/session/state.ts";
import { type Limits, limits } from "../../src/protocol/limits.ts";

export function fold(events: readonly SessionEvent[]): SessionState {
  return events.reduce(evolve, initialState);
}

export function given(...events: readonly SessionEvent[]) {
  return {
    when: (command: SessionCommand, within: Partial<Limits> = {}) => ({
      decides: (decision: Decision) =>
        expect(decide(fold(events), command, { ...limits, ...within })).toEqual(decision),
    }),
  };
}
