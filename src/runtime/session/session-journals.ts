/**
 * The journals of a node's sessions, from the first entry to the end: opened for who writes them, told to services that
 * ask for it, kept for a while after their session is over, removed.
 * @module
 */
import type { SessionState } from "../../actors/session/state.ts";
import { Journal } from "../journal.ts";
import type { LifecycleEvent } from "../lifecycle/fact.ts";
import { Lifecycle } from "../lifecycle/lifecycle.ts";
import type { Services } from "../services.ts";
import { EndedJournals } from "./ended-journals.ts";
import { journalKeyOf } from "./load-state.ts";

export class SessionJournals {
  readonly #services: Services;
  /** Undefined: nobody asked for it. */
  readonly #lifecycle: Lifecycle | undefined;
  readonly #ended: EndedJournals;

  constructor(services: Services, lifecycleEvents: readonly LifecycleEvent[]) {
    const { ports, counters } = services;
    this.#services = services;
    if (lifecycleEvents.length > 0) this.#lifecycle = new Lifecycle({ ...ports, counters, events: lifecycleEvents });
    this.#ended = new EndedJournals(ports.log, this.#lifecycle);
  }

  /** For who goes on after entry `seq`. */
  open(id: string, seq: number): Journal {
    const { log, clock } = this.#services.ports;
    const lifecycle = this.#lifecycle;
    if (lifecycle === undefined) return new Journal(log, clock, { key: journalKeyOf(id), seq });
    const written = (first: number, entries: readonly Uint8Array[]): void => lifecycle.written(id, first, entries);
    return new Journal(log, clock, { key: journalKeyOf(id), seq, written });
  }

  /** It was read as far as `seq`, by a node that may write it now. */
  loaded(id: string, { state, seq }: { readonly state: SessionState; readonly seq: number }): void {
    this.#lifecycle?.loaded(id, { subject: state.subject, seq });
    if (state.status === "ended") this.#lifecycle?.dropped(id);
  }

  /** Its session is not on this node any more. */
  dropped(id: string): void {
    this.#lifecycle?.dropped(id);
  }

  /** Its session is over for good: its numbers need not be remembered. The journal stays, for replay. */
  async over({ id, ephemeral }: { readonly id: string; readonly ephemeral: boolean }): Promise<void> {
    const { log, logger, clock } = this.#services.ports;
    try {
      // Where several nodes write, one that stood still may wake and publish what it had for this session.
      if (ephemeral || !log.info().shared) await log.forgetProducer(id);
      if (!ephemeral) await this.#ended.note(id, clock.now());
    } catch (error) {
      // A log that cannot be written keeps a number and a journal for nothing; that is no reason to fail.
      logger.log("warn", "ended session not forgotten", { session: id, error: String(error) });
    }
  }

  /** Removes those that nobody will ask for any more. */
  sweep(keepMs: number): void {
    const { clock, logger } = this.#services.ports;
    void this.#ended
      .sweep(clock.now(), keepMs)
      .catch((error: unknown) => logger.log("warn", "ended journals not removed", { error: String(error) }));
  }

  /** What was written is told, unless the log does not take it. */
  async stop(): Promise<void> {
    await this.#lifecycle?.stop();
  }
}
