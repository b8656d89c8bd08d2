/**
 * The statecharts of sessions, connections and nodes as plain data, read off the machines that run: what the dashboard
 * draws cannot differ from what the gateway does.
 * @module
 */
import type { AnyStateMachine } from "xstate";
import { connectionMachine } from "../../actors/connection/machine.ts";
import { nodeMachine } from "../../actors/node/machine.ts";
import { sessionMachine } from "../../actors/session/machine.ts";

export type Transition = { readonly from: string; readonly to: string; readonly on: string };
export type Statechart = {
  readonly name: string;
  readonly initial: string;
  readonly states: readonly { readonly name: string; readonly final: boolean }[];
  readonly transitions: readonly Transition[];
};

export function statecharts(): readonly Statechart[] {
  return [chartOf("session", sessionMachine), chartOf("connection", connectionMachine), chartOf("node", nodeMachine)];
}

function chartOf(name: string, machine: AnyStateMachine): Statechart {
  const states = Object.values(machine.root.states);
  const transitions = states.flatMap((state) =>
    [...state.transitions, ...inherited(machine, state)].flatMap(([event, choices]) =>
      choices.flatMap(({ target }) =>
        (target ?? []).map(({ key }) => ({ from: state.key, to: key, on: eventName(event) })),
      ),
    ),
  );
  return {
    name,
    initial: String(machine.root.initial.target[0]?.key),
    states: states.map(({ key, type }) => ({ name: key, final: type === "final" })),
    transitions: transitions.filter(({ from, to }) => from !== to),
  };
}

/** What the chart around it takes, every state takes that does not say otherwise and is not final. */
function inherited(machine: AnyStateMachine, state: AnyStateMachine["root"]) {
  if (state.type === "final") return [];
  return [...machine.root.transitions].filter(([event]) => !state.transitions.has(event));
}

/** `xstate.after.resumeWindow.session.detached` → `after resumeWindow`. */
function eventName(event: string): string {
  const [, delay] = /^xstate\.after\.([^.]+)\./.exec(event) ?? [];
  return delay === undefined ? event : `after ${delay}`;
}
