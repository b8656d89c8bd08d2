/**
 * Judges the evidence of a run, after every fault has ended and everything had time to arrive. Knows nothing
 * of the gateway's insides: only the promises of docs/guarantees.md.
 *
 * Pure. Each planted bug of bugs.ts is caught by one of these or by wire-checker.ts.
 * @module
 */
import { matches } from "../../src/protocol/topic.ts";
import type { Evidence, PipelineFact, StoredRecord, SubscriberFact, TransactionFact, Violation } from "./evidence.ts";

type Index = {
  readonly log: readonly StoredRecord[];
  readonly byKey: ReadonlyMap<string, readonly StoredRecord[]>;
  readonly bySeq: ReadonlyMap<number, StoredRecord>;
  readonly firstSeq: number;
};

export function checkEvidence(evidence: Evidence): readonly Violation[] {
  const index = { ...indexed(evidence.log), firstSeq: evidence.firstSeq ?? 0 };
  return [
    ...checkPublishes(evidence, index),
    ...[...evidence.transactions.values()].flatMap((transaction) => checkTransaction(transaction, index)),
    ...evidence.subscribers.flatMap((subscriber) => checkSubscriber(subscriber, index)),
    ...evidence.pipelines.flatMap((pipeline) => checkPipeline(pipeline, index)),
  ];
}

function indexed(log: readonly StoredRecord[]): Omit<Index, "firstSeq"> {
  const byKey = new Map<string, StoredRecord[]>();
  for (const record of log) {
    if (record.topic.startsWith("$")) continue;
    const same = byKey.get(record.key);
    if (same === undefined) byKey.set(record.key, [record]);
    else same.push(record);
  }
  return { log, byKey, bySeq: new Map(log.map((record) => [record.seq, record])) };
}

/** Every acknowledged publish is in the log once, as it was called; nothing is there twice, nothing is invented. */
function checkPublishes({ publishes }: Evidence, { byKey }: Index): Violation[] {
  const found: Violation[] = [];
  for (const [key, records] of byKey) {
    const publish = publishes.get(key);
    if (publish === undefined) found.push(violation("invented", `The log holds ${key}, which nobody published`));
    if (records.length > 1 + (publish?.resent ?? 0))
      found.push(violation("stored once", `${key} is in the log ${records.length} times, at ${seqsOf(records)}`));
    if (publish?.outcome === "refused")
      found.push(violation("refused", `${key} was refused, and is in the log at ${seqsOf(records)}`));
    const [record] = records;
    if (
      publish !== undefined &&
      record !== undefined &&
      (record.topic !== publish.topic || record.lane !== publish.lane)
    ) {
      found.push(
        violation(
          "stored as published",
          `${key} was published to ${publish.topic}/${publish.lane}, stored in ${record.topic}/${record.lane}`,
        ),
      );
    }
  }
  for (const { key, outcome } of publishes.values()) {
    if (outcome === "acknowledged" && !byKey.has(key))
      found.push(violation("acknowledged is stored", `${key} was acknowledged and is not in the log`));
  }
  return found;
}

/** All records of a transaction are in the log side by side, or none is. */
function checkTransaction({ id, keys, outcome }: TransactionFact, { byKey }: Index): Violation[] {
  const stored = keys.flatMap((key) => byKey.get(key)?.slice(0, 1) ?? []);
  if (stored.length !== 0 && stored.length !== keys.length) {
    return [violation("transaction whole", `${id} is in the log with ${stored.length} of ${keys.length} records`)];
  }
  if (outcome === "committed" && stored.length === 0 && keys.length > 0)
    return [violation("committed is stored", `${id} was committed and is not in the log`)];
  if (outcome === "rolledBack" && stored.length > 0)
    return [violation("rolled back is not stored", `${id} was rolled back and is in the log`)];
  const apart = stored.some((record, i) => i > 0 && record.seq !== (stored[i - 1] as StoredRecord).seq + 1);
  return apart ? [violation("transaction whole", `${id} lies in the log at ${seqsOf(stored)}, not side by side`)] : [];
}

function checkSubscriber(subscriber: SubscriberFact, index: Index): Violation[] {
  if (subscriber.after === undefined) return [];
  const found = [...checkGenuine(subscriber, index)];
  if (subscriber.qos !== 1) found.push(...checkOnceInOrder(subscriber));
  if (subscriber.qos !== 0) found.push(...checkComplete(subscriber, subscriber.after, index));
  return found;
}

/** What was processed is in the log, at that seq, and matches the filter. */
function checkGenuine({ name, filter, processed }: SubscriberFact, { bySeq }: Index): Violation[] {
  for (const { seq, key, topic } of processed) {
    const record = bySeq.get(seq);
    if (record?.key !== key || record.topic !== topic) {
      return [
        violation(
          "delivered is stored",
          `${name} processed ${key} of ${topic} at ${seq}; the log holds ${record?.key ?? "nothing"} there`,
        ),
      ];
    }
    if (!matches(filter, topic))
      return [violation("delivered matches", `${name} subscribed ${filter} and processed ${topic}`)];
  }
  return [];
}

/** No record twice; in a lane, ascending (but for those that the handler had refused). */
function checkOnceInOrder({ name, filter, qos, processed, refused }: SubscriberFact): Violation[] {
  const seen = new Set<number>();
  const last = new Map<number, number>();
  for (const { seq, lane, key } of processed) {
    if (seen.has(seq))
      return [violation("processed once", `${name} (${filter}, QoS ${qos}) processed ${key} at ${seq} twice`)];
    seen.add(seq);
    if (refused.has(seq)) continue;
    if (seq < (last.get(lane) ?? 0)) {
      return [
        violation(
          "processed in order",
          `${name} (${filter}, QoS ${qos}) processed ${key} at ${seq} after ${last.get(lane)} of lane ${lane}`,
        ),
      ];
    }
    last.set(lane, seq);
  }
  return [];
}

/**
 * Everything that is owed was processed, was moved to the dead-letter topic, or was told to be trimmed; nothing from
 * before the start.
 */
function checkComplete(subscriber: SubscriberFact, after: number, { log, firstSeq }: Index): Violation[] {
  const { name, filter, qos, startsAtLast, deadLettered, heldFrom = 0, trimmedBefore = 0, startsAtTime } = subscriber;
  const done = new Set([...subscriber.processed.map(({ seq }) => seq), ...deadLettered, ...deadIn(log)]);
  const newest = new Map<string, StoredRecord>();
  const missing: StoredRecord[] = [];
  for (const record of log) {
    if (!matches(filter, record.topic)) continue;
    newest.set(record.topic, record);
    if (record.seq > after && !done.has(record.seq)) missing.push(record);
  }
  if (startsAtLast)
    for (const record of newest.values())
      if (record.seq <= after && record.seq >= heldFrom && !done.has(record.seq)) missing.push(record);
  const found: Violation[] = [];
  // One that it gave back and that retention took before it came again cannot come any more.
  const [first] = missing.filter(
    ({ seq }) => seq >= trimmedBefore && (seq >= firstSeq || !subscriber.refused.has(seq)),
  );
  if (first !== undefined) {
    found.push(
      violation(
        "processed all",
        `${name} (${filter}, QoS ${qos}, after ${after}, trimmed before ${trimmedBefore}) never processed ${missing.length} records, the first ${first.key} at ${first.seq}`,
      ),
    );
  }
  const late = log.find(
    ({ seq, time, topic }) =>
      seq <= after && seq >= heldFrom && time >= (startsAtTime ?? Infinity) && matches(filter, topic),
  );
  if (late !== undefined)
    found.push(
      violation(
        "starts where asked",
        `${name} (${filter}) starts at time ${startsAtTime} and skips ${late.key} at ${late.seq}, of ${late.time}`,
      ),
    );
  const early = startsAtLast ? undefined : subscriber.processed.find(({ seq }) => seq <= after);
  if (early !== undefined)
    found.push(
      violation(
        "starts where asked",
        `${name} (${filter}) starts after ${after} and processed ${early.key} at ${early.seq}`,
      ),
    );
  return found;
}

/** Records that stand in the dead-letter topic: refused or never acknowledged too often, told or not. */
function deadIn(log: readonly StoredRecord[]): number[] {
  const dead = new Set(log.filter(({ topic }) => topic.startsWith("$dead.")).map(({ key }) => key));
  return dead.size === 0 ? [] : log.filter(({ key }) => dead.has(key)).map(({ seq }) => seq);
}

/** Each input has exactly one output. */
function checkPipeline({ name, input, output, ...gone }: PipelineFact, { log, byKey }: Index): Violation[] {
  const owedFrom = Math.max(gone.trimmedBefore ?? 0, gone.heldFrom ?? 0);
  for (const record of log) {
    if (record.topic !== input) continue;
    const outputs = (byKey.get(`out:${record.key}`) ?? []).filter(({ topic }) => topic === output);
    if (outputs.length > 1 || (outputs.length === 0 && record.seq >= owedFrom))
      return [
        violation("one output each", `${name}: input ${record.key} at ${record.seq} has ${outputs.length} outputs`),
      ];
  }
  return [];
}

function violation(checker: string, message: string): Violation {
  return { checker, message };
}

function seqsOf(records: readonly StoredRecord[]): string {
  return records.map(({ seq }) => seq).join(", ");
}
