/**
 * Remembers when sessions ended, and removes their journals when nobody will ask for them any more.
 *
 * Kept in the log's key-value part, so that a restart forgets nothing.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import { type Lifecycle, lifecycleProducer } from "../lifecycle/lifecycle.ts";
import type { EventLog } from "../log/event-log.ts";

const prefix = "session.ended.";
const pageMax = 256;

export class EndedJournals {
  readonly #log: EventLog;
  readonly #lifecycle: Pick<Lifecycle, "told"> | undefined;

  constructor(log: EventLog, lifecycle?: Pick<Lifecycle, "told">) {
    this.#log = log;
    this.#lifecycle = lifecycle;
  }

  /** The session is over; its journal stays for a while, for replay. */
  async note(id: string, at: EpochMs): Promise<void> {
    await this.#log.keyValue.put(prefix + id, new TextEncoder().encode(String(at)));
  }

  /** Removes journals of sessions that ended `keepMs` ago or earlier, and are told to who asked for it; answers how many. */
  async sweep(now: EpochMs, keepMs: number): Promise<number> {
    let removed = 0;
    for (let cursor = prefix; ; ) {
      const page = await this.#log.keyValue.list(prefix, cursor, pageMax);
      for (const { key, value } of page) {
        if (now - Number(new TextDecoder().decode(value)) < keepMs) continue;
        const id = key.slice(prefix.length);
        if ((await this.#lifecycle?.told(id)) === false) continue;
        await this.#log.forgetProducer(id);
        await this.#log.journals.delete({ kind: "session", id });
        // Last: with the journal there and without it, all of it would be told again.
        await this.#log.forgetProducer(lifecycleProducer(id));
        await this.#log.keyValue.delete(key);
        removed++;
      }
      const last = page[page.length - 1];
      if (last === undefined || page.length < pageMax) return removed;
      cursor = last.key;
    }
  }
}
