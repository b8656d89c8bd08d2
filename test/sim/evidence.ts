/**
 * What happened, as those outside the gateway saw it: what the workload called, what came back, what the
 * handlers processed, and what the log holds at the end. The checkers judge from this alone; the simulator and
 * the kill test both fill it in.
 *
 * Every payload begins with a key that no other publish has: `key|filler`.
 * @module
 */
import type { Qos } from "../../src/protocol/frame.ts";
import type { Lane } from "../../src/protocol/lane.ts";

export type StoredRecord = {
  readonly seq: number;
  readonly topic: string;
  readonly lane: Lane;
  readonly key: string;
  readonly time: number;
};

export type PublishFact = {
  readonly key: string;
  readonly topic: string;
  readonly lane: Lane;
  /** Id of the transaction that it belongs to. */
  readonly transaction?: string;
  outcome: "unknown" | "acknowledged" | "refused";
  /** How often it was sent again in a new session, not knowing whether it was stored: each may have stored it again. */
  resent?: number;
};

export type TransactionFact = {
  readonly id: string;
  readonly keys: string[];
  outcome: "unknown" | "committed" | "rolledBack";
};

/** One call of a handler that came back without throwing. */
export type ProcessedFact = { readonly seq: number; readonly topic: string; readonly lane: Lane; readonly key: string };

export type SubscriberFact = {
  readonly name: string;
  readonly filter: string;
  readonly qos: Qos;
  /** Only the newest of each topic is owed of what lay before the subscription. */
  readonly startsAtLast: boolean;
  /** Starts at the first record that is not older. */
  readonly startsAtTime?: number;
  /** What lay before this seq was gone when it subscribed. */
  heldFrom?: number;
  /** The highest seq before which it was told (`trimmed`) that records are gone. */
  trimmedBefore?: number;
  /** Owed is what lies after this. `undefined`: it never was subscribed, nothing is owed. */
  after: number | undefined;
  readonly processed: ProcessedFact[];
  /** Records that the handler refused at least once: they come again out of order. */
  readonly refused: Set<number>;
  /** Records that it was told were moved to the dead-letter topic. */
  readonly deadLettered: Set<number>;
};

/** Each record of `input` is turned into exactly one record `out:<key>` of `output`. */
export type PipelineFact = {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  /** As of a subscriber. */
  trimmedBefore?: number;
  heldFrom?: number;
};

export type Evidence = {
  /** The whole log, in order. */
  log: readonly StoredRecord[];
  /** What lies before this seq is no longer held. */
  firstSeq?: number;
  readonly publishes: Map<string, PublishFact>;
  readonly transactions: Map<string, TransactionFact>;
  readonly subscribers: SubscriberFact[];
  readonly pipelines: PipelineFact[];
};

export type Violation = { readonly checker: string; readonly message: string };

export function newEvidence(): Evidence {
  return { log: [], publishes: new Map(), transactions: new Map(), subscribers: [], pipelines: [] };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function payloadFor(key: string, fillerBytes: number): Uint8Array {
  return encoder.encode(`${key}|${"x".repeat(fillerBytes)}`);
}

export function keyOf(payload: Uint8Array): string {
  const end = payload.indexOf(0x7c);
  return decoder.decode(end < 0 ? payload : payload.subarray(0, end));
}
