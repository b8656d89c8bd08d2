import { describe, expect, test } from "bun:test";
import { decideNode, type NodeCommand } from "../../../src/actors/node/decide.ts";
import type { NodeEvent } from "../../../src/actors/node/events.ts";
import { decodeNodeEvent, encodeNodeEvent } from "../../../src/actors/node/persist.ts";
import { evolveNode, initialNodeState } from "../../../src/actors/node/state.ts";

const at = 7;
const retention = { ageMs: 0, bytes: 0, records: 0 };
const started: NodeEvent = { type: "Started", at, version: "1.0.0", limits: {}, retention };
const joined: NodeEvent = {
  ...{ type: "Joined", at, incarnation: "i1", url: "ws://n/", version: "1.0.0" },
  protocol: { min: 1, max: 2 },
};
const seen = (status: "healthy" | "suspect" | "unhealthy", by: string): NodeEvent => ({
  ...{ type: "StatusChanged", at, incarnation: "i1", status, by, cause: "why" },
});
const left: NodeEvent = { type: "Left", at, incarnation: "i1", by: "n", cause: "stopped" };
const observe = (status: "healthy" | "suspect" | "left", incarnation = "i1"): NodeCommand => ({
  ...{ type: "Observe", at, incarnation, status, by: "b", cause: "why" },
});
const stateOf = (events: readonly NodeEvent[]) => events.reduce(evolveNode, initialNodeState);
const decided = (history: readonly NodeEvent[], command: NodeCommand) => decideNode(stateOf(history), command);

describe("decideNode(Observe)", () => {
  test("records what one node sees first, and not what the next one sees too", () => {
    expect(decided([started, joined], observe("suspect"))).toEqual({ ok: true, events: [seen("suspect", "b")] });
    expect(decided([started, joined, seen("suspect", "a")], observe("suspect"))).toEqual({ ok: true, events: [] });
    expect(decided([joined, seen("suspect", "a")], observe("healthy"))).toEqual({
      ok: true,
      events: [seen("healthy", "b")],
    });
  });

  test("refuses what was seen of another process, of none, and of one that has left", () => {
    expect(decided([joined], observe("suspect", "i0"))).toEqual({ ok: false, rejection: "otherIncarnation" });
    expect(decided([joined, left, started], observe("suspect"))).toEqual({ ok: false, rejection: "notJoined" });
    expect(decided([joined, left], observe("suspect"))).toEqual({ ok: false, rejection: "hasLeft" });
  });

  test("records that it left once", () => {
    expect(decided([joined], observe("left"))).toEqual({ ok: true, events: [{ ...left, by: "b", cause: "why" }] });
    expect(decided([joined, left], observe("left"))).toEqual({ ok: true, events: [] });
  });
});

test("decideNode(FindDead) records the end of what told of none, joined or not, and nothing of what stopped or left", () => {
  const found: NodeCommand = { type: "FindDead", at, by: "b", cause: "nodeLost" };
  const dead: NodeEvent = { ...left, by: "b", cause: "nodeLost" };
  const stopped: NodeEvent = { type: "Stopped", at, reason: "asked" };
  expect(decided([started, joined, seen("healthy", "n")], found)).toEqual({ ok: true, events: [dead] });
  expect(decided([started], found)).toEqual({ ok: true, events: [{ ...dead, incarnation: "" }] });
  for (const end of [[stopped], [left, stopped], [left]])
    expect(decided([started, joined, ...end], found)).toEqual({ ok: true, events: [] });
  expect(decided([], found)).toEqual({ ok: true, events: [] });
});

test("evolveNode() tells what the node is as a member, since when, who saw it and why", () => {
  expect(stateOf([started]).member).toBeUndefined();
  expect(stateOf([started, joined]).member).toMatchObject({ status: "joining", url: "ws://n/", incarnation: "i1" });
  const { member, status } = stateOf([started, joined, { ...seen("unhealthy", "b"), at: 9 }]);
  expect([member, status]).toMatchObject([{ status: "unhealthy", since: 9, by: "b", cause: "why" }, "running"]);
  expect(stateOf([started, joined, left]).member?.status).toBe("left");
});

test("encodeNodeEvent() keeps what a member's events say", () => {
  for (const event of [joined, seen("suspect", "b"), left])
    expect(decodeNodeEvent(encodeNodeEvent(event))).toEqual(event);
});
