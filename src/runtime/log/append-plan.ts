/**
 * Decides what an append does before anything is written: refuse it, answer it as done before, or store it (and
 * which of its records). The adapters differ in where they keep what is asked here, not in what they answer.
 *
 * Pure: asks its view, changes nothing.
 * @module
 */
import { assert } from "../../protocol/assert.ts";
import type { Seq } from "../../protocol/ids.ts";
import type { Appended, AppendRequest, JournalKey, LogFailure } from "./event-log.ts";

/** What the log holds at the moment of the decision, everything decided before included. */
export type AppendView = {
  mark(producer: string): number | undefined;
  done(producer: string, key: string): { readonly first: Seq; readonly last: Seq } | undefined;
  journalHead(key: JournalKey): number;
};

export type AppendPlan =
  | { readonly kind: "answer"; readonly result: Appended | LogFailure }
  /** Store the records from this index on; those before it are duplicates. */
  | { readonly kind: "store"; readonly from: number };

export function planAppend(request: AppendRequest, view: AppendView): AppendPlan {
  const { records, numbered, once, journal } = request;
  if (once !== undefined) {
    const done = view.done(once.producer, once.key);
    if (done !== undefined) {
      return { kind: "answer", result: { ok: true, seqs: [done.first, done.last], duplicate: true } };
    }
  }
  let from = 0;
  if (numbered !== undefined) {
    assertNumbers(numbered.numbers, records.length);
    const mark = view.mark(numbered.producer) ?? 0;
    if (mark < numbered.after) return { kind: "answer", result: outOfOrder(numbered.producer, numbered.after, mark) };
    while (from < records.length && (numbered.numbers[from] as number) <= mark) from++;
  }
  if (journal !== undefined) {
    const head = view.journalHead(journal.key);
    if (head !== journal.expected)
      return { kind: "answer", result: journalConflict(journal.key, journal.expected, head) };
  }
  if (from === records.length && from > 0 && once === undefined && journal === undefined) {
    return { kind: "answer", result: { ok: true, seqs: unknownSeqs(from), duplicate: true } };
  }
  return { kind: "store", from };
}

/** The answer to a stored request: 0 for what was there before, then one seq after the other. */
export function appended(request: AppendRequest, from: number, first: Seq): Appended {
  const seqs = new Array<Seq>(request.records.length);
  for (let i = 0; i < seqs.length; i++) seqs[i] = i < from ? 0 : first + i - from;
  const duplicate = from > 0 && from === seqs.length;
  if (request.journal === undefined) return { ok: true, seqs, duplicate };
  return { ok: true, seqs, duplicate, journalSeq: request.journal.expected + request.journal.entries.length };
}

export function journalConflict(key: JournalKey, expected: number, actual: number): LogFailure {
  const message = `Journal ${key.kind}/${key.id} ends at ${actual}, not at ${expected}`;
  return { ok: false, code: "conflict", message, retryable: false, actual };
}

export function keyConflict(key: string, expected: number, actual: number): LogFailure {
  const message = `Key ${key} is at revision ${actual}, not at ${expected}`;
  return { ok: false, code: "conflict", message, retryable: false, actual };
}

export const closedFailure: LogFailure = {
  ok: false,
  code: "closed",
  message: "The log is closed",
  retryable: false,
};

function outOfOrder(producer: string, after: number, actual: number): LogFailure {
  const message = `Producer ${producer} goes on after ${after}, but the log holds its numbers only up to ${actual}`;
  return { ok: false, code: "outOfOrder", message, retryable: false, actual };
}

function assertNumbers(numbers: readonly number[], count: number): void {
  if (numbers.length !== count) assert(false, `one number per record, got ${numbers.length} for ${count}`);
  for (let i = 1; i < numbers.length; i++) {
    const number = numbers[i] as number;
    // The message is made only when it is needed: this runs for every record.
    if (number <= (numbers[i - 1] as number)) assert(false, `numbers ascend, got ${number} after ${numbers[i - 1]}`);
  }
}

function unknownSeqs(count: number): Seq[] {
  return new Array<Seq>(count).fill(0);
}
