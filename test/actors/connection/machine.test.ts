import { describe, expect, test } from "bun:test";
import { createActor, SimulatedClock } from "xstate";
import { connectionMachine } from "../../../src/actors/connection/machine.ts";
import type { ConnectionEffect } from "../../../src/actors/effect.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { run } from "../../support/machine-effects.ts";

const input = { id: "c1", deadlines: limits };
const open = [{ type: "hello.received" }, { type: "session.attached" }];

function started() {
  const clock = new SimulatedClock();
  const effects: ConnectionEffect[] = [];
  const machine = connectionMachine.provide({
    actions: { "perform effect": (_, effect) => void effects.push(effect) },
  });
  const actor = createActor(machine, { input, clock });
  actor.start();
  return { actor, clock, effects };
}

describe("connection machine", () => {
  test("goes from handshaking over authenticating to open", () => {
    expect(run(connectionMachine, input, open).map(({ state }) => state)).toEqual([
      "handshaking",
      "authenticating",
      "open",
    ]);
  });

  test("is congested until the socket has drained", () => {
    const states = run(connectionMachine, input, [
      ...open,
      { type: "socket.congested" },
      { type: "socket.drained" },
    ]).map(({ state }) => state);
    expect(states.slice(-2)).toEqual(["congested", "open"]);
  });

  test("says why and lets go of the session when it is asked to close, once", () => {
    const close = { type: "close.asked", reason: "superseded", cause: "superseded" };
    const steps = run(connectionMachine, input, [...open, close, close]);
    expect(steps.slice(-2)).toEqual([
      {
        state: "draining",
        effects: [
          { type: "say goodbye", reason: "superseded", cause: "superseded" },
          { type: "release session", cause: "closing" },
        ],
      },
      { state: "draining", effects: [] },
    ]);
  });

  test("lets go of the session when the socket is lost, and is over", () => {
    expect(
      run(connectionMachine, input, [...open, { type: "socket.lost", cause: "socketClosed 1006" }]).at(-1),
    ).toEqual({
      state: "closed",
      effects: [{ type: "release session", cause: "socketClosed 1006" }],
    });
  });

  test("ends a socket that sends no HELLO within the deadline, not before", () => {
    const { actor, clock, effects } = started();
    clock.increment(limits.handshakeMs - 1);
    expect(effects).toEqual([]);
    clock.increment(1);
    expect(effects[0]).toEqual({ type: "say goodbye", reason: "handshakeTimeout", cause: "handshakeTimeout" });
    expect(actor.getSnapshot().value).toBe("draining");
  });

  test("ends a peer whose authentication does not finish within the deadline", () => {
    const { actor, clock, effects } = started();
    actor.send({ type: "hello.received" });
    clock.increment(limits.handshakeMs);
    expect(effects[0]).toEqual({ type: "say goodbye", reason: "overloaded", cause: "overloaded" });
    expect(actor.getSnapshot().value).toBe("draining");
  });

  test("looks at the peer's liveness at every beat, congested or not", () => {
    const { actor, clock, effects } = started();
    actor.send({ type: "hello.received" });
    actor.send({ type: "session.attached" });
    clock.increment(limits.pongMs);
    actor.send({ type: "socket.congested" });
    clock.increment(limits.pongMs);
    expect(effects).toEqual([{ type: "check liveness" }, { type: "check liveness" }]);
    actor.send({ type: "peer.silent" });
    expect(effects[2]).toEqual({ type: "say goodbye", reason: "heartbeatTimeout", cause: "heartbeatTimeout" });
  });

  test("ends a socket that stays congested past the deadline", () => {
    const { actor, clock, effects } = started();
    actor.send({ type: "hello.received" });
    actor.send({ type: "session.attached" });
    actor.send({ type: "socket.congested" });
    clock.increment(limits.congestedMs);
    expect(effects.filter(({ type }) => type === "say goodbye")).toEqual([
      { type: "say goodbye", reason: "slowConsumer", cause: "slowConsumer" },
    ]);
  });

  test("terminates a socket that does not close within the drain time", () => {
    const { actor, clock, effects } = started();
    actor.send({ type: "close.asked", reason: "goingAway", cause: "goingAway" });
    clock.increment(limits.drainMs);
    expect(effects.at(-1)).toEqual({ type: "terminate socket" });
  });
});
