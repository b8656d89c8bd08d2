import { expect, test } from "bun:test";
import { OwedFrames } from "../../src/runtime/owed-frames.ts";

test("flush() sends in order what the socket takes and keeps the rest", () => {
  const owed = new OwedFrames(10_000);
  for (const data of ["a", "b", "c"]) expect(owed.add(data)).toBe(true);
  const sent: unknown[] = [];
  const send = (data: unknown): "sent" => {
    sent.push(data);
    return "sent";
  };
  owed.flush((data) => (sent.length < 2 ? send(data) : "dropped"));
  expect([sent, owed.empty]).toEqual([["a", "b"], false]);
  owed.flush(send);
  expect([sent, owed.empty]).toEqual([["a", "b", "c"], true]);
});

test("add() answers false beyond the bound, and frames that were sent make room again", () => {
  const owed = new OwedFrames(300);
  expect([owed.add(new Uint8Array(100)), owed.add(new Uint8Array(100))]).toEqual([true, false]);
  owed.flush(() => "sent");
  expect(owed.add(new Uint8Array(100))).toBe(true);
});
