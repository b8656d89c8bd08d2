/**
 * The journal of changes: who changed what, how it was before and how it is after. Written before the change is made,
 * so that none happens without a trace; one that failed after all is followed by an entry that says so.
 *
 * Append-only: nothing here can take an entry back. One journal for all nodes of a log.
 * @module
 */
import type { EventLog, JournalKey } from "../../runtime/log/event-log.ts";
import type { Clock, Logger } from "../../runtime/ports.ts";
import type { Caller } from "./access.ts";
import { ProblemError } from "./problem.ts";

export type Change = {
  /** `session.expire`, `config.change` … */
  readonly action: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
};
export type AuditEntry = Change & {
  readonly seq: number;
  readonly at: number;
  readonly who: string;
  readonly node: string;
  /** Of a change that was written down and then not made. */
  readonly failed?: string;
};

export const auditKey: JournalKey = { kind: "audit", id: "changes" };
const triesMax = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export type AuditParts = {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
};

export class Audit {
  readonly #parts: AuditParts;

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  /** Throws a problem, and changes nothing, when the change cannot be written down. */
  async perform<T>(caller: Caller, change: Change, act: () => Promise<T> | T): Promise<T> {
    await this.#append(caller, change);
    const { logger } = this.#parts;
    const told = { who: caller.who, action: change.action, target: change.target };
    try {
      const done = await act();
      logger.log("info", "change made", told);
      return done;
    } catch (error) {
      logger.log("warn", "change failed", { ...told, error: String((error as Error).message ?? error) });
      await this.#append(caller, {
        ...change,
        after: change.before,
        failed: String((error as Error).message ?? error),
      });
      throw error;
    }
  }

  /** Entries with seq > after, ascending. */
  async read(after: number, max: number): Promise<readonly AuditEntry[]> {
    const entries = await this.#parts.log.journals.read(auditKey, after, max);
    return entries.map(({ seq, data }) => ({ seq, ...(JSON.parse(decoder.decode(data)) as Omit<AuditEntry, "seq">) }));
  }

  async #append(caller: Caller, change: Change & { readonly failed?: string }): Promise<void> {
    const { log, clock, node } = this.#parts;
    const entry: Omit<AuditEntry, "seq"> = { at: clock.now(), who: caller.who, node, ...change };
    const entries = [encoder.encode(JSON.stringify(entry))];
    let expected = await log.journals.lastSeq(auditKey);
    for (let tries = 1; ; tries++) {
      const result = await log.journals.append({ key: auditKey, expected, entries });
      if (result.ok) return;
      // Another change was written at the same time.
      if (result.code !== "conflict" || tries === triesMax)
        throw new ProblemError(503, "auditUnavailable", `The change could not be written down: ${result.message}`);
      expected = result.actual ?? (await log.journals.lastSeq(auditKey));
    }
  }
}
