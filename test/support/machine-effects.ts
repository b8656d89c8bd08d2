/**
 * Drives a statechart by pure transitions, so that a test reads its effects as data.
 * @module
 */
import { type AnyStateMachine, initialTransition, transition } from "xstate";

type Signal = { readonly type: string; readonly [field: string]: unknown };
type Step = { readonly state: unknown; readonly effects: readonly unknown[] };

/** State and "perform effect" parameters after each signal, the initial step first. */
export function run(machine: AnyStateMachine, input: unknown, signals: readonly Signal[]): Step[] {
  let [snapshot, actions] = initialTransition(machine, input as never);
  const steps: Step[] = [{ state: snapshot.value, effects: effectsOf(actions) }];
  for (const signal of signals) {
    [snapshot, actions] = transition(machine, snapshot, signal as never);
    steps.push({ state: snapshot.value, effects: effectsOf(actions) });
  }
  return steps;
}

function effectsOf(actions: readonly { readonly type: string; readonly params?: unknown }[]): unknown[] {
  return actions.filter(({ type }) => type === "perform effect").map(({ params }) => params);
}
