/**
 * The event log in memory, for tests and the simulator. Writes are collected and become durable together after a
 * virtual delay, so a crash can fall between the append and its flush, or between the flush and its answer.
 *
 * Deterministic: time comes from the clock port, there is no chance in it.
 * @module
 */
import type { EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import type { Clock, Timer } from "../ports.ts";
import { closedFailure } from "./append-plan.ts";
import type {
  AppendRequest,
  AppendResult,
  EventLog,
  Follow,
  JournalAppend,
  JournalKey,
  JournalSnapshot,
  LogFailure,
  LogInfo,
  LogRecord,
  OnRecords,
  OnTrimmed,
  Retention,
} from "./event-log.ts";
import { MemoryKeyValue } from "./memory-key-value.ts";
import { MemoryState } from "./memory-state.ts";

declare const image: unique symbol;
/** What was durable when an instance crashed. May be opened once. */
export type MemoryLogImage = { readonly [image]?: never };

export type MemoryLogOptions = {
  readonly clock: Clock;
  /** Identity of a new log; an image keeps its own. */
  readonly epoch: LogEpoch;
  /** Goes on from what a crashed log held. */
  readonly image?: MemoryLogImage;
  /** Time from the first write of a group to the group's durability. Default: 0, at the end of the tick. */
  readonly flushMs?: () => number;
  /** Time from durability to the answer. Default: 0, at once. */
  readonly answerMs?: () => number;
  /** Asked before each group; a code makes the whole group fail with it. */
  readonly failure?: () => "full" | "unavailable" | undefined;
  /** What it says of itself, for tests of what decides by it. Default: 0. */
  readonly readOverhead?: number;
};

export type MemoryLog = EventLog & {
  /** Forgets what was not flushed. Pending promises never settle and nothing calls back any more. */
  crash(): MemoryLogImage;
};

export function openMemoryLog(options: MemoryLogOptions): MemoryLog {
  return new MemoryEventLog(options);
}

type Write = { readonly run: () => () => void; readonly fail: (failure: LogFailure) => void };
type Follower = { cursor: Seq; readonly onRecords: OnRecords; readonly onTrimmed: OnTrimmed };

const followRecordsMax = 1_000;
const failures: Record<"full" | "unavailable", LogFailure> = {
  full: { ok: false, code: "full", message: "The log has no space left", retryable: true },
  unavailable: { ok: false, code: "unavailable", message: "The log cannot be written now", retryable: true },
};

class MemoryEventLog implements MemoryLog {
  readonly #options: MemoryLogOptions;
  readonly #clock: Clock;
  readonly #state: MemoryState;
  readonly #timers = new Set<Timer>();
  readonly #followers = new Set<Follower>();
  #queue: Write[] = [];
  #flushing = false;
  #phase: "open" | "closed" | "crashed" = "open";
  readonly #idle: (() => void)[] = [];
  readonly keyValue: MemoryKeyValue;
  readonly readOverhead: number;

  constructor(options: MemoryLogOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.readOverhead = options.readOverhead ?? 0;
    this.#state = (options.image as MemoryState | undefined) ?? new MemoryState(options.epoch);
    this.keyValue = new MemoryKeyValue({
      state: this.#state,
      now: () => this.#clock.now(),
      after: (delayMs, wake) => this.#after(delayMs, wake),
      write: (run) => this.#write(run),
      answer: (value) => this.#answer(value),
    });
  }

  info(): LogInfo {
    const { epoch, firstSeq, lastSeq, records, bytes } = this.#state;
    return {
      epoch,
      tier: "none",
      firstSeq,
      lastSeq,
      records: records.length,
      bytes,
      transactions: true,
      shared: false,
    };
  }

  end(): Promise<Seq> {
    return Promise.resolve(this.info().lastSeq);
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.#write(() => this.#state.append(request, this.#clock.now()));
  }

  read(request: Parameters<EventLog["read"]>[0]): ReturnType<EventLog["read"]> {
    return this.#answer(() => this.#state.read(request));
  }

  follow(after: Seq, onRecords: OnRecords, onTrimmed: OnTrimmed = () => undefined): Follow {
    const follower: Follower = { cursor: after, onRecords, onTrimmed };
    this.#followers.add(follower);
    this.#soon(() => this.#pump(follower));
    return { stop: () => void this.#followers.delete(follower) };
  }

  lastPerTopic(filter: string, after: Seq, max: number): Promise<readonly LogRecord[]> {
    return this.#answer(() => this.#state.lastPerTopic(filter, after, max));
  }

  seqAtTime(time: EpochMs): Promise<Seq> {
    return this.#answer(() => this.#state.seqAtTime(time));
  }

  producerMark(producer: string): Promise<number | undefined> {
    return this.#answer(() => this.#state.mark(producer));
  }

  forgetProducer(producer: string): Promise<void> {
    return this.#act(() => this.#state.forgetProducer(producer));
  }

  async trim(retention: Retention): Promise<number> {
    let count = 0;
    await this.#act(() => {
      count = this.#state.trim(retention, this.#clock.now());
    });
    return count;
  }

  readonly journals: EventLog["journals"] = {
    append: async (journal: JournalAppend) => {
      const result = await this.append({ records: [], journal });
      return result.ok ? { ok: true, seq: journal.expected + journal.entries.length } : result;
    },
    read: (key, after, max) =>
      this.#answer(() => (this.#state.journals.get(key.kind)?.get(key.id) ?? []).slice(after, after + max)),
    lastSeq: (key) => this.#answer(() => this.#state.journalHead(key)),
    saveSnapshot: (key: JournalKey, snapshot: JournalSnapshot) =>
      this.#act(() => void this.#state.snapshots.set(snapshotKey(key), snapshot)),
    loadSnapshot: (key) => this.#answer(() => this.#state.snapshots.get(snapshotKey(key))),
    list: (kind, cursor, max) =>
      this.#answer(() =>
        [...(this.#state.journals.get(kind)?.keys() ?? [])]
          .filter((id) => id > cursor)
          .sort()
          .slice(0, max),
      ),
    delete: (key) =>
      this.#act(() => {
        this.#state.journals.get(key.kind)?.delete(key.id);
        this.#state.snapshots.delete(snapshotKey(key));
      }),
  };

  readonly blobs: EventLog["blobs"] = {
    put: (name, data) =>
      this.#write(() => {
        this.#state.blobs.set(name, data.slice());
        return { ok: true as const };
      }),
    get: (name) => this.#answer(() => this.#state.blobs.get(name)),
    delete: (name) => this.#act(() => void this.#state.blobs.delete(name)),
  };

  async close(): Promise<void> {
    if (this.#phase === "open") this.#phase = "closed";
    if (this.#flushing) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#stop();
  }

  crash(): MemoryLogImage {
    this.#phase = "crashed";
    this.#queue = [];
    this.#stop();
    return this.#state as MemoryLogImage;
  }

  #stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#followers.clear();
    this.keyValue.stop();
  }

  /** Answers from what is durable; a crashed log never answers. */
  #answer<T>(value: () => T): Promise<T> {
    return this.#phase === "crashed" ? new Promise(() => {}) : Promise.resolve(value());
  }

  async #act(run: () => void): Promise<void> {
    const result = await this.#write(() => {
      run();
      return undefined;
    });
    if (result !== undefined) throw new Error(result.message);
  }

  #write<T>(run: () => T): Promise<T | LogFailure> {
    if (this.#phase === "closed") return Promise.resolve(closedFailure);
    if (this.#phase === "crashed") return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const attempt = (): (() => void) => {
        try {
          const value = run();
          return () => resolve(value);
        } catch (cause) {
          return () => reject(cause);
        }
      };
      this.#queue.push({ run: attempt, fail: resolve });
      if (!this.#flushing) this.#startGroup();
    });
  }

  #startGroup(): void {
    this.#flushing = true;
    this.#after(this.#options.flushMs?.() ?? 0, () => {
      const group = this.#queue;
      this.#queue = [];
      const failure = this.#options.failure?.();
      const answers = group.map((write) => (failure === undefined ? write.run() : () => write.fail(failures[failure])));
      this.#after(this.#options.answerMs?.() ?? 0, () => this.#finishGroup(answers));
    });
  }

  #finishGroup(answers: readonly (() => void)[]): void {
    for (const answer of answers) answer();
    for (const follower of this.#followers) this.#pump(follower);
    this.keyValue.publish();
    if (this.#queue.length > 0) return this.#startGroup();
    this.#flushing = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Hands a follower all that is new to it: after a group that is the group, at the start a page at a time. */
  #pump(follower: Follower): void {
    const { firstSeq } = this.#state;
    const after = Math.max(follower.cursor, firstSeq - 1);
    if (!this.#followers.has(follower) || after >= this.#state.lastSeq) return;
    if (after > follower.cursor) follower.onTrimmed(firstSeq);
    const from = after + 1 - firstSeq;
    const records = this.#state.records.slice(from, from + followRecordsMax);
    follower.cursor = after + records.length;
    follower.onRecords(records);
    if (follower.cursor < this.#state.lastSeq) this.#soon(() => this.#pump(follower));
  }

  #after(delayMs: number, wake: () => void): Timer {
    if (delayMs <= 0) {
      this.#soon(wake);
      return { cancel: () => {} };
    }
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(timer);
      wake();
    });
    this.#timers.add(timer);
    return timer;
  }

  #soon(run: () => void): void {
    this.#clock.soon(() => {
      if (this.#phase !== "crashed") run();
    });
  }
}

function snapshotKey(key: JournalKey): string {
  return `${key.kind}/${key.id}`;
}
