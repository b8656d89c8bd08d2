/**
 * Two nodes that want one session at once: exactly one of them gets it.
 */
import { expect, test } from "bun:test";
import type { AppendRequest, JournalAppend } from "../../../src/runtime/log/event-log.ts";
import type { SimConnection } from "./connection.ts";
import { logStage, recordsOf } from "./log-stage.ts";

function entry(expected: number): JournalAppend {
  return { key: { kind: "session", id: "s" }, expected, entries: [new Uint8Array([expected + 1])] };
}
function step(key: string, journal: JournalAppend): AppendRequest {
  return { records: recordsOf(1), once: { producer: "s", key }, journal };
}

test("append() of a step is done when the node that claimed its session meanwhile was refused by the journal", () => {
  let silenced: SimConnection | undefined;
  let entriesOf: ((connection: SimConnection) => void) | undefined;
  const { log, another, within } = logStage(1, {
    sends: (message, connection) => {
      if (message.subject.startsWith("weir.j.")) entriesOf?.(connection);
      return connection === silenced ? { ...message, subject: "nowhere", reply: undefined } : message;
    },
  });
  expect(within(1_000, log.append(step("1", entry(0)))).ok).toBe(true);
  const other = another("other");
  // Its claim is stored, and its entry is lost on the way: what it sends again comes too late.
  entriesOf = (connection) => {
    silenced = connection;
  };
  const late = other.journals.append(entry(1));
  within(1_000, Promise.resolve());
  expect(silenced).toBeDefined();
  entriesOf = undefined;
  expect(within(1_000, log.journals.append(entry(1))).ok).toBe(true);
  expect(within(5_000, log.append(step("2", entry(2))))).toMatchObject({ ok: true, journalSeq: 3 });
  silenced = undefined;
  expect(within(10_000, late)).toMatchObject({ ok: false, code: "conflict" });
});
