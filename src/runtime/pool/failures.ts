/**
 * Records that a member failed, did not answer in time, or took with it: given out again after a growing delay, or, tried
 * too often, put into the dead-letter topic with their cause.
 *
 * Owns: a record is in the dead-letter topic, or it is open, never neither.
 * @module
 */
import type { FailedWork } from "../../actors/pool/ledger.ts";
import type { LogRecord, NewRecord } from "../log/event-log.ts";
import type { PoolContext } from "./context.ts";

const reserveAhead = 4_096;
const retryMsMax = 3_600_000;
/** The log did not take the letter: until it does, the record waits like one that failed. */
const letterRetryMs = 1_000;

export class Failures {
  readonly #context: PoolContext;

  constructor(context: PoolContext) {
    this.#context = context;
  }

  async failed(work: FailedWork, reason: string, delayMs?: number): Promise<void> {
    if (work.isLast) return await this.giveUp(work, reason);
    const { settings } = this.#context.store.state;
    const grown = settings.retryMs * 2 ** Math.min(work.attempt - 1, 20);
    await this.#retry(work, reason, Math.min(delayMs ?? grown, retryMsMax));
  }

  async #retry({ item, member, attempt }: FailedWork, reason: string, delayMs: number): Promise<void> {
    const { ledger, store } = this.#context;
    const dueAt = this.#context.now() + delayMs;
    ledger.retry(item, dueAt);
    const progress = ledger.progress(reserveAhead);
    await this.#context.record({ type: "Fail", progress, item, member, attempt, reason, dueAt });
    ledger.reserve(store.state.reserved);
  }

  /** For good: with a letter, unless the log does not hold the record any more or it is the gateway's own. */
  async giveUp(work: FailedWork, cause: string): Promise<void> {
    const { ledger, store } = this.#context;
    const { item, attempt: attempts } = work;
    const record = (await this.#context.read([item])).get(item);
    const at = this.#context.now();
    const progress = ledger.progress(reserveAhead);
    const open = progress.open.filter((one) => one.item !== item);
    const command = { type: "DeadLetter", progress: { ...progress, open }, item, attempts, cause } as const;
    if (record === undefined || record.topic.startsWith("$")) {
      ledger.settle(item);
      await this.#context.record(record === undefined ? { ...command, cause: "trimmed" } : command);
    } else {
      const letter = this.#letterFor(record, work, cause);
      const result = await store.recordWith({ ...command, at }, letter, `${this.#context.name}/dead/${item}`);
      if (!result.ok) return await this.#retry(work, cause, letterRetryMs);
      ledger.settle(item);
    }
    ledger.reserve(store.state.reserved);
    this.#context.moved();
  }

  #letterFor(record: LogRecord, { member, attempt }: FailedWork, cause: string): NewRecord {
    const { name } = this.#context;
    return {
      topic: `$dead.${record.topic}`,
      id: `pool/${name}/dead/${record.seq}`,
      lane: record.lane,
      payload: record.payload,
      headers: {
        ...record.headers,
        "weir-cause": cause,
        "weir-topic": record.topic,
        "weir-seq": String(record.seq),
        "weir-id": record.id,
        "weir-pool": name,
        "weir-member": member,
        "weir-attempts": String(attempt),
      },
    };
  }
}
