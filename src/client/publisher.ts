/**
 * Moves publishes from the outbox onto the connection: those of a tick in one frame, within the credit, and with a
 * store only after it knows that they will have been sent.
 *
 * Owns: nothing leaves that the store does not hold.
 * @module
 */
import type { ErrorFrame, Frame, Published, PublishRecord, Welcome } from "../protocol/frame.ts";
import type { CreditWindow } from "./credit.ts";
import type { WeirError } from "./errors.ts";
import { Outbox, type OutboxBounds, type PublishResult } from "./outbox.ts";
import type { Persistence, SavedState } from "./persistence.ts";
import type { ClientClock, ClientTimer } from "./ports.ts";

export type PublisherHost = {
  readonly clock: ClientClock;
  readonly credit: CreditWindow;
  readonly persistence: Persistence | undefined;
  readonly connected: boolean;
  /** A transaction waits for credit; it goes first. */
  mustYield(): boolean;
  send(frame: Frame): void;
};

const retryMs = 1_000;

export class Publisher {
  readonly #host: PublisherHost;
  readonly #outbox: Outbox;
  #flushing = false;
  /** Held back after an ERROR that named a number. */
  #heldBack: ClientTimer | undefined;
  /** Numbers up to this one are noted in the store as sent. */
  #marked = 0;
  #generation = 0;

  constructor(host: PublisherHost, bounds: OutboxBounds) {
    this.#host = host;
    this.#outbox = new Outbox(bounds, {
      numbered: (n, record) => host.persistence?.put(`publish/${n}`, record),
      settled: (n) => host.persistence?.put(`publish/${n}`, undefined),
    });
  }

  get records(): number {
    return this.#outbox.records;
  }
  get bytes(): number {
    return this.#outbox.bytes;
  }
  get settled(): number {
    return this.#outbox.settled;
  }

  restore(saved: SavedState): void {
    for (const { n, record } of saved.publishes) this.#outbox.restore(n, record, n <= saved.sent);
    this.#outbox.skipTo(saved.sent);
    this.#outbox.sendable = this.#marked = saved.sent;
  }

  add(record: PublishRecord, ordered: boolean, signal: AbortSignal | undefined): Promise<PublishResult> {
    const result = this.#outbox.add(record, ordered, signal);
    this.flushSoon();
    return result;
  }

  resumed(frame: Welcome): void {
    this.#outbox.epoch = frame.epoch;
    this.#outbox.resumed(frame.publishedUpTo, frame.refused ?? [], this.#host.credit);
  }

  /** A new session: numbers begin at 1. Answers the records whose outcome nobody knows. */
  opened(frame: Welcome, policy: "fail" | "resend"): readonly PublishRecord[] {
    this.#outbox.epoch = frame.epoch;
    this.#generation += 1;
    if (this.#host.persistence !== undefined) this.#outbox.sendable = this.#marked = 0;
    this.#host.persistence?.put("outbox", { sent: 0 });
    return this.#outbox.sessionLost(policy);
  }

  published(frame: Published): void {
    this.#outbox.published(frame, this.#host.credit);
    this.flushSoon();
  }

  /** ERROR with a number: from there on nothing was stored. */
  holdBack(frame: ErrorFrame, n: number): void {
    this.#outbox.retryFrom(n, this.#host.credit);
    this.#heldBack?.cancel();
    this.#heldBack = this.#host.clock.after(frame.retryAfterMs ?? retryMs, () => {
      this.#heldBack = undefined;
      this.flushSoon();
    });
  }

  connectionLost(): void {
    this.#heldBack?.cancel();
    this.#heldBack = undefined;
  }

  rejectAll(error: WeirError): void {
    this.connectionLost();
    this.#outbox.rejectAll(error);
  }

  /** Publishes of one tick travel together. */
  flushSoon(): void {
    if (this.#flushing || !this.#outbox.hasUnsent) return;
    this.#flushing = true;
    this.#host.clock.soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#host.connected || this.#heldBack !== undefined || this.#host.mustYield()) return;
    if (this.#host.persistence !== undefined) this.#mark(this.#host.persistence);
    for (;;) {
      const burst = this.#outbox.next(this.#host.credit);
      if (burst === undefined) return;
      this.#host.send({ type: "publish", first: burst.first, settled: this.#outbox.settled, records: burst.records });
    }
  }

  /** Notes what will have been sent before it is: after a crash those are the ones whose outcome may be unknown. */
  #mark(persistence: Persistence): void {
    const last = this.#outbox.lastNumber;
    if (last <= this.#marked) return;
    this.#marked = last;
    const generation = this.#generation;
    persistence.put("outbox", { sent: last });
    persistence.writer.whenDurable(() => {
      if (generation !== this.#generation) return;
      this.#outbox.sendable = Math.max(this.#outbox.sendable, last);
      this.flushSoon();
    });
  }
}
