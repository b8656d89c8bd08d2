/**
 * Session events for tests: a usual history, and arbitrary ones.
 * @module
 */
import fc from "fast-check";
import type { SessionEvent } from "../../src/actors/session/events.ts";
import type { Lane } from "../../src/protocol/lane.ts";

export const at = 1_000;
export const opened: SessionEvent = {
  type: "Opened",
  at,
  subject: "ada",
  resumeKeyHash: "hash",
  resumeWindowMs: 60_000,
};
export const attached: SessionEvent = { type: "Attached", at, owner: 1, node: "n1", connection: "n1/c1" };
export const detached: SessionEvent = { type: "Detached", at, cause: "socketClosed 1006" };

export function subscribed(
  filter: string,
  positions: readonly [number, number, number, number] = [0, 0, 0, 0],
): SessionEvent {
  const window = { records: 10, bytes: 1_000 };
  return {
    type: "Subscribed",
    at,
    filter,
    qos: 2,
    positions,
    lastOnlyUpTo: 0,
    window,
    congestion: "skip",
    ackWaitMs: 1_000,
    maxDeliver: 3,
  };
}

const seq = fc.integer({ min: 0, max: 2 ** 40 });
const filter = fc.constantFrom("a.>", "b.*", "c");
const lane = fc.constantFrom<Lane>(0, 1, 2, 3);
const positions = fc.tuple(seq, seq, seq, seq);
const filters = fc.array(fc.record({ filter, positions }), { maxLength: 3 });
const text = fc.string({ maxLength: 20 });
const when = fc.integer({ min: 0, max: 2 ** 42 });
const small = fc.integer({ min: 0, max: 1_000 });

export const lossDetails = fc.record({
  closeCode: small,
  silentMs: when,
  congestedMs: when,
  bufferedBytes: seq,
  unackedRecords: small,
  unackedBytes: seq,
});

export const anyEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  fc.record({
    type: fc.constant("Opened" as const),
    at: when,
    subject: text,
    resumeKeyHash: text,
    resumeWindowMs: when,
  }),
  fc.record({
    type: fc.constant("Opened" as const),
    at: when,
    subject: text,
    resumeKeyHash: text,
    resumeWindowMs: when,
    instead: fc.record({ session: fc.string({ minLength: 1, maxLength: 20 }), cause: text }),
  }),
  fc.record({ type: fc.constant("Attached" as const), at: when, owner: small, node: text, connection: text }),
  fc.record({ type: fc.constant("Detached" as const), at: when, cause: text }),
  fc.record({ type: fc.constant("Detached" as const), at: when, cause: text, details: lossDetails }),
  fc.record({ type: fc.constant("Trimmed" as const), at: when, filter, positions, first: seq }),
  fc.record({
    type: fc.constant("Subscribed" as const),
    at: when,
    filter,
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    positions,
    lastOnlyUpTo: seq,
    window: fc.record({ records: small, bytes: seq }),
    congestion: fc.constantFrom("skip" as const, "conflate" as const),
    ackWaitMs: when,
    maxDeliver: small,
  }),
  fc.record({ type: fc.constant("Unsubscribed" as const), at: when, filter, cause: text }),
  fc.record({ type: fc.constant("Acknowledged" as const), at: when, filters }),
  fc.record({ type: fc.constant("PublishedUpTo" as const), at: when, n: seq }),
  fc.record({
    type: fc.constant("PublishRefused" as const),
    at: when,
    n: seq,
    code: small,
    cause: text,
    message: text,
  }),
  fc.record({ type: fc.constant("RefusalsSettled" as const), at: when, upTo: seq }),
  fc.record({ type: fc.constant("TransactionCommitted" as const), at: when, tx: seq, records: small, filters }),
  fc.record({
    type: fc.constant("Nacked" as const),
    at: when,
    filter,
    lane,
    seq,
    attempts: small,
    dueAt: when,
    reason: text,
  }),
  fc.record({ type: fc.constant("NakSettled" as const), at: when, filter, seq }),
  fc.record({ type: fc.constant("DeadLettered" as const), at: when, filter, lane, seq, attempts: small, cause: text }),
  fc.record({ type: fc.constant("Expired" as const), at: when }),
  fc.record({ type: fc.constant("Closed" as const), at: when, cause: text }),
);
