/**
 * Transactions of a session: kept in memory until COMMIT, then one atomic append of all records and the
 * acknowledged positions. The end of the connection, an error or idleness rolls back: nothing was stored.
 *
 * Owns: a transaction number is committed at most once, whatever is sent again.
 * @module
 */
import type { SettledNak } from "../../actors/session/decide.ts";
import type { FilterPositions } from "../../actors/session/events.ts";
import { furthest } from "../../actors/session/evolve.ts";
import type { LanePositions } from "../../actors/session/state.ts";
import type { ErrorName } from "../../protocol/error-code.ts";
import { type Ack, type ChainSeq, type Publish, recordBytes } from "../../protocol/frame.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { TransactionView } from "../inspection.ts";
import type { NewRecord } from "../log/event-log.ts";
import { errorFrame, type SessionContext } from "./context.ts";
import type { PublishCheck, PublishProblem } from "./publish-check.ts";
import { newRecord, type Publishing, type Violation } from "./publishing.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { beginSpans, endSpans } from "./traced.ts";

type Transaction = {
  readonly records: NewRecord[];
  readonly upTo: ChainSeq[];
  readonly only: ChainSeq[];
  bytes: number;
  touchedAt: EpochMs;
};

export type TransactionsParts = {
  readonly check: PublishCheck;
  readonly publishing: Publishing;
  readonly subscriptions: Subscriptions;
};

export class Transactions {
  readonly #context: SessionContext;
  readonly #check: PublishCheck;
  readonly #publishing: Publishing;
  readonly #subscriptions: Subscriptions;
  readonly #open = new Map<number, Transaction>();

  constructor(context: SessionContext, parts: TransactionsParts) {
    this.#context = context;
    this.#check = parts.check;
    this.#publishing = parts.publishing;
    this.#subscriptions = parts.subscriptions;
  }

  /** For operators. */
  views(): TransactionView[] {
    return Array.from(this.#open, ([tx, { records, bytes, touchedAt }]) => {
      return { tx, records: records.length, bytes, touchedAt };
    });
  }

  begin(tx: number): void {
    const { services, limits } = this.#context;
    const { ports } = services;
    if (!ports.log.info().transactions)
      return this.#refuse("transactionsUnavailable", tx, "This log has no atomic commit");
    if (this.#open.has(tx)) {
      const message = `Transaction ${tx} is open already. COMMIT it or ROLLBACK it before its number is begun again`;
      return void this.#context.peer?.send({ ...errorFrame("unexpectedFrame", "", { tx }), message });
    }
    if (this.#open.size >= limits.transactionsOpenMax) {
      return this.#refuse("tooManyTransactions", tx, `${this.#open.size} transactions are open`);
    }
    this.#open.set(tx, { records: [], upTo: [], only: [], bytes: 0, touchedAt: ports.clock.now() });
  }

  publish(tx: number, frame: Publish): Violation | undefined {
    const transaction = this.#touch(tx);
    if (transaction === undefined) return undefined;
    const { transactionRecordsMax, transactionBytesMax } = this.#context.limits;
    for (const record of frame.records) {
      const problem = this.#check.problem(record);
      if (problem !== undefined) return void this.#fail(problem.name, tx, problem.message);
      const bytes = recordBytes(record);
      transaction.bytes += bytes;
      transaction.records.push(newRecord(record, `${this.#context.id}/tx/${tx}/${transaction.records.length + 1}`));
      if (transaction.records.length > transactionRecordsMax || transaction.bytes > transactionBytesMax) {
        const size = `${transaction.records.length} records and ${transaction.bytes} bytes`;
        this.#publishing.reserve(1, bytes);
        return void this.#fail("transactionTooLarge", tx, `Transaction ${tx} holds ${size}`);
      }
      const overrun = this.#publishing.reserve(1, bytes);
      if (overrun !== undefined) return overrun;
    }
    return undefined;
  }

  acknowledge(tx: number, frame: Ack): void {
    const transaction = this.#touch(tx);
    if (transaction === undefined) return;
    const { upTo = [], only = [] } = frame;
    const wrong = this.#notDelivered([...upTo, ...only]);
    if (wrong !== undefined) return this.#fail(wrong.name, tx, wrong.message);
    transaction.upTo.push(...upTo);
    transaction.only.push(...only);
    const { listItemsMax } = this.#context.limits;
    if (transaction.upTo.length + transaction.only.length > listItemsMax) {
      this.#fail("transactionTooLarge", tx, `Transaction ${tx} holds more than ${listItemsMax} acknowledgements`);
    }
  }

  /** What a transaction acknowledges must have been delivered on this connection. */
  #notDelivered(acks: readonly ChainSeq[]): PublishProblem | undefined {
    for (const { chain, seq } of acks) {
      const found = this.#subscriptions.find(chain);
      if (found === undefined) return { name: "unknownChain", message: `Chain ${chain}` };
      if (!found.delivery.wasSent(found.lane, seq)) {
        return { name: "badPosition", message: `Acknowledged ${seq}, which was not delivered on chain ${chain}` };
      }
    }
    return undefined;
  }

  rollback(tx: number): void {
    if (this.#touch(tx) !== undefined) this.#drop(tx);
  }

  rollbackAll(): void {
    for (const tx of [...this.#open.keys()]) this.#drop(tx);
  }

  #drop(tx: number): void {
    const transaction = this.#open.get(tx);
    if (transaction === undefined) return;
    this.#open.delete(tx);
    this.#publishing.release(transaction.records.length, transaction.bytes);
  }

  async commit(tx: number): Promise<void> {
    const transaction = this.#touch(tx);
    if (transaction === undefined) return;
    this.#open.delete(tx);
    const { id } = this.#context;
    const positions = this.#positions(transaction.upTo);
    const settled = this.#settled(transaction.only);
    const command = {
      type: "CommitTransaction",
      at: this.#now(),
      tx,
      records: transaction.records.length,
      positions,
      settled,
    } as const;
    const { tracer } = this.#context.services.ports;
    const traced = tracer === undefined ? undefined : beginSpans(tracer, transaction.records, this.#context);
    const once = { producer: id, key: `${id}/tx/${tx}` };
    const result = await this.#context.recordWith(command, { records: transaction.records, once });
    if (traced !== undefined) endSpans(traced, result);
    this.#publishing.release(transaction.records.length, transaction.bytes);
    if (!result.ok) {
      const failure = "code" in result ? result.message : result.rejection;
      return this.#refuse("code" in result && result.code === "full" ? "logFull" : "logUnavailable", tx, failure);
    }
    this.#subscriptions.acknowledge(transaction);
    const firstSeq = result.seqs[0] ?? 0;
    const lastSeq = result.seqs[result.seqs.length - 1] ?? 0;
    this.#context.peer?.send({
      type: "committed",
      tx,
      firstSeq,
      lastSeq,
      ...(result.duplicate ? { duplicate: true } : {}),
    });
  }

  /** Acknowledged positions by filter, as the journal keeps them. */
  #positions(upTo: readonly ChainSeq[]): FilterPositions[] {
    const byFilter = new Map<string, LanePositions>();
    for (const { chain, seq } of upTo) {
      const found = this.#subscriptions.find(chain);
      if (found === undefined) continue; // unsubscribed meanwhile
      const moved = [0, 0, 0, 0] as [number, number, number, number];
      moved[found.lane] = seq;
      const { filter } = found.delivery;
      byFilter.set(filter, furthest(byFilter.get(filter) ?? [0, 0, 0, 0], moved));
    }
    return Array.from(byFilter, ([filter, positions]) => ({ filter, positions }));
  }

  #settled(only: readonly ChainSeq[]): SettledNak[] {
    return only.flatMap(({ chain, seq }) => {
      const found = this.#subscriptions.find(chain);
      return found === undefined ? [] : [{ filter: found.delivery.filter, seq }];
    });
  }

  /** Rolls back what nobody touched for too long. */
  sweep(now: EpochMs): void {
    const { transactionIdleMs } = this.#context.limits;
    for (const [tx, { touchedAt }] of this.#open) {
      if (now - touchedAt > transactionIdleMs)
        this.#fail("transactionExpired", tx, `Transaction ${tx} was idle for ${now - touchedAt} ms`);
    }
  }

  #touch(tx: number): Transaction | undefined {
    const transaction = this.#open.get(tx);
    if (transaction === undefined) this.#refuse("unknownTransaction", tx, `Transaction ${tx} is not open`);
    else transaction.touchedAt = this.#now();
    return transaction;
  }

  #fail(name: ErrorName, tx: number, what: string): void {
    this.#drop(tx);
    this.#refuse(name, tx, what);
  }

  #refuse(name: ErrorName, tx: number, what: string): void {
    this.#context.peer?.send(errorFrame(name, what, { tx }));
  }

  #now(): EpochMs {
    return this.#context.services.ports.clock.now();
  }
}
