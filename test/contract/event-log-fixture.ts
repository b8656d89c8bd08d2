/**
 * A fresh log for each test of the contract, and what the tests ask of it again and again.
 * @module
 */
import { afterEach, beforeEach, expect } from "bun:test";
import type {
  Appended,
  AppendResult,
  EventLog,
  LogFailure,
  LogRecord,
  ReadRequest,
} from "../../src/runtime/log/event-log.ts";
import { newRecord } from "../runtime/log/new-record.ts";

export type OpenedLog = {
  readonly log: EventLog;
  /** Closes the log and opens what it left. */
  reopen(): Promise<EventLog>;
  /** Moves the log's clock; where it is a server's, waits. */
  advance(ms: number): void | Promise<void>;
  /** The clock is a server's: it cannot be steered, and it ends the time of values a little late. */
  readonly realTime?: boolean;
  /** Releases what the log took on this machine. */
  dispose(): Promise<void>;
};
export type OpenLog = () => Promise<OpenedLog>;

export const everything: ReadRequest = { filter: ">", after: 0, recordsMax: 100_000, bytesMax: 1 << 30 };

export class LogUnderTest {
  #opened: OpenedLog | undefined;
  #log: EventLog | undefined;

  get log(): EventLog {
    if (this.#log === undefined) throw new Error("no log is open");
    return this.#log;
  }

  async begin(open: OpenLog): Promise<void> {
    this.#opened = await open();
    this.#log = this.#opened.log;
  }

  async end(): Promise<void> {
    await this.#opened?.dispose();
  }

  async reopen(): Promise<void> {
    this.#log = await this.#opened?.reopen();
  }

  async advance(ms: number): Promise<void> {
    await this.#opened?.advance(ms);
  }

  /** A time that is long for this log. */
  get longMs(): number {
    return this.#opened?.realTime === true ? 400 : 10_000;
  }
  /** Almost `ms`. */
  async advanceAlmost(ms: number): Promise<number> {
    const almost = this.#opened?.realTime === true ? ms / 2 : ms - 1;
    await this.advance(almost);
    return ms - almost;
  }
  /** The rest of a value's time, and what the log needs to notice. */
  async advanceOver(ms: number): Promise<void> {
    await this.advance(this.#opened?.realTime === true ? ms + 1_500 : ms);
  }

  /** One record a topic, each in a request of its own; its text is its number from 1. */
  async fill(topics: readonly string[]): Promise<void> {
    for (const [i, topic] of topics.entries())
      stored(await this.log.append({ records: [newRecord(topic, String(i + 1))] }));
  }

  async read(request: Partial<ReadRequest> = {}): Promise<LogRecord[]> {
    return [...(await this.log.read({ ...everything, ...request })).records];
  }

  /** Follows until so many records have come. */
  followed(after: number, count: number): Promise<LogRecord[]> {
    const seen: LogRecord[] = [];
    return new Promise((resolve) => {
      const follow = this.log.follow(after, (records) => {
        seen.push(...records);
        if (seen.length < count) return;
        follow.stop();
        resolve(seen);
      });
    });
  }
}

/** The log that is open during the test that runs. */
export function useLog(open: OpenLog): LogUnderTest {
  const at = new LogUnderTest();
  beforeEach(() => at.begin(open));
  afterEach(() => at.end());
  return at;
}

export function seqs(records: readonly LogRecord[]): number[] {
  return records.map((record) => record.seq);
}

export function stored(result: AppendResult): Appended {
  if (!result.ok) throw new Error(`refused: ${result.code}: ${result.message}`);
  return result;
}

export function refused(result: { readonly ok: boolean }): LogFailure {
  expect(result.ok).toBe(false);
  return result as LogFailure;
}

export function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}
