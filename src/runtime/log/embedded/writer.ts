/**
 * Group commit: while one group is being flushed, what arrives collects for the next. Requests are decided in the
 * order of their calls, when their group begins, against everything before them; so a group that failed leaves
 * nothing behind that a later one could have relied on.
 * @module
 */
import type { Clock } from "../../ports.ts";
import { closedFailure } from "../append-plan.ts";
import type { LogFailure } from "../event-log.ts";
import { Group, type GroupParts } from "./group.ts";

type Decide = (group: Group) => unknown;
type Pending = {
  readonly decide: Decide;
  /** Has a group of its own, so that nothing before or after it in the group needs to be thought of. */
  readonly alone: boolean;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (cause: unknown) => void;
};
export type WriterParts = GroupParts & {
  readonly clock: Clock;
  /** After a group is durable and its requests are answered. */
  readonly onGroup: (group: Group) => void;
};

/** A group takes no more requests beyond this, so that no flush takes too long. */
const groupRecordsMax = 8_192;
const groupBytesMax = 4_194_304;

export class Writer {
  readonly #parts: WriterParts;
  #queue: Pending[] = [];
  /** Requests before this index are done. */
  #next = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  write<T>(decide: (group: Group) => T, alone = false): Promise<T | LogFailure> {
    if (this.#closed) return Promise.resolve(closedFailure);
    return new Promise<T | LogFailure>((resolve, reject) => {
      this.#queue.push({ decide, alone, resolve: resolve as (answer: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Everything accepted is flushed or refused afterwards; nothing more is accepted. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  /** The first group begins at the end of the tick, with all that the tick brought. */
  async #run(): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.clock.soon(resolve));
    while (this.#next < this.#queue.length) await this.#commitGroup();
    this.#running = undefined;
  }

  async #commitGroup(): Promise<void> {
    const group = new Group(this.#parts, this.#parts.clock.now());
    const answers = this.#decide(group);
    const durable = group.seal();
    const failure = group.puts.length === 0 ? undefined : await this.#parts.store.commit(group.puts);
    if (failure === undefined) durable();
    for (const answer of answers) answer(failure);
    if (failure === undefined) this.#parts.onGroup(group);
  }

  #decide(group: Group): ((failure: LogFailure | undefined) => void)[] {
    const answers: ((failure: LogFailure | undefined) => void)[] = [];
    while (this.#next < this.#queue.length && !group.isFull(groupRecordsMax, groupBytesMax)) {
      const { decide, alone, resolve, reject } = this.#queue[this.#next] as Pending;
      if (alone && answers.length > 0) break;
      this.#next++;
      try {
        const answer = decide(group);
        answers.push((failure) => resolve(failure ?? answer));
      } catch (cause) {
        answers.push(() => reject(cause));
      }
      if (alone) break;
    }
    if (this.#next === this.#queue.length) {
      this.#queue = [];
      this.#next = 0;
    } else if (this.#next > groupRecordsMax) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return answers;
  }
}
