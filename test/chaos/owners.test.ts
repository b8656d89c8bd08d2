/** checkOwners() sees a session with two owners, and only that. */
import { expect, test } from "bun:test";
import type { SessionEvent } from "../../src/actors/session/events.ts";
import { checkOwners, type Written } from "./owners.ts";

const at = 1;
const attached = (owner: number): SessionEvent => ({ type: "Attached", at, owner, node: "n", connection: "c" });
const detached = (cause: string): SessionEvent => ({ type: "Detached", at, cause });
const published: SessionEvent = { type: "PublishedUpTo", at, n: 1 };
const committed: SessionEvent = { type: "TransactionCommitted", at, tx: 1, records: 1, filters: [] };

type Entry = readonly [writer: string, event: SessionEvent];
function written(...entries: readonly Entry[]): Written[] {
  return entries.map(([writer, event]) => ({ session: "s", writer, event }));
}
function messages(...entries: readonly Entry[]): string[] {
  return checkOwners(written(...entries)).violations.map(({ message }) => message);
}

test("checkOwners() passes a session that goes from one gateway to the other and back", () => {
  const there = written(["a", attached(1)], ["a", detached("closed")], ["b", attached(2)], ["b", published]);
  const back = written(["a", detached("nodeLost")], ["a", attached(3)], ["a", published]);
  expect(checkOwners([...there, ...back])).toEqual({ sessions: 1, moves: 2, violations: [] });
});

test("checkOwners() passes what a decided step owes, written by the next gateway before it is attached", () => {
  expect(messages(["a", attached(1)], ["b", committed], ["b", attached(2)])).toEqual([]);
});

test("checkOwners() finds a gateway that writes on after another one was attached", () => {
  const found = messages(["a", attached(1)], ["b", attached(2)], ["a", published]);
  expect(found).toEqual(["s: a wrote PublishedUpTo while b was attached as owner 2"]);
});

test("checkOwners() finds a gateway that lets go of what another one has", () => {
  const found = messages(["a", attached(1)], ["b", attached(2)], ["a", detached("superseded")]);
  expect(found).toEqual(["s: a wrote Detached while b was attached as owner 2"]);
});

test("checkOwners() finds an owner that is counted twice", () => {
  expect(messages(["a", attached(1)], ["b", attached(1)])).toEqual(["s: owner 1 after 1"]);
});
