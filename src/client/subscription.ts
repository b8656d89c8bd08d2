/**
 * One subscription as the application sees it: a callback or an async iterator over its records, in chain order.
 *
 * Owns: a record is acknowledged only after its callback resolved (or the next record was asked for); what is not
 * read stays unacknowledged, so the gateway's window closes and nothing piles up here.
 * @module
 */

import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { Qos, Subscribed, Window } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import type { Lane } from "../protocol/lane.ts";
import type { ResumeAnswer } from "../protocol/position.ts";
import type { Item } from "./chain.ts";
import { clientError, type WeirError } from "./errors.ts";
import { Emitter, type Unlisten } from "./events.ts";
import { Intake } from "./intake.ts";
import type { IntakeHost } from "./intake-host.ts";
import type { SubscribeOptions } from "./options.ts";
import { ReceivedRecord } from "./record.ts";

export type Handler = (record: ReceivedRecord) => unknown;

export type SubscriptionInfo = {
  readonly filter: string;
  readonly qos: Qos;
  readonly window: Window;
  /** How delivery goes on from the position that was known; `trimmed`, `epochChanged` and `ahead` mean that records are missing. */
  readonly resume: ResumeAnswer;
};

export type SubscriptionEvents = {
  /** SUBSCRIBED arrived: the first time, and after every reconnect. */
  resume: SubscriptionInfo;
  /** A stretch was missing and was asked for again. */
  hole: { readonly lane: Lane; readonly last: Seq };
  /** QoS 0: a stretch passed by. */
  skipped: { readonly lane: Lane; readonly after: Seq; readonly upTo: Seq };
  /** A record was given up after `maxDeliver` tries; it stands in `$dead.<topic>`. */
  deadLetter: { readonly lane: Lane; readonly seq: Seq; readonly message: string };
  /** The gateway ended or refused the subscription. */
  ended: WeirError;
};

export type Subscription = AsyncIterable<ReceivedRecord> & {
  readonly filter: string;
  /** Resolves when the gateway has subscribed; rejects when it refuses. */
  readonly ready: Promise<SubscriptionInfo>;
  on<Name extends keyof SubscriptionEvents>(name: Name, listener: (value: SubscriptionEvents[Name]) => void): Unlisten;
  /** Ends it; callbacks under way finish. `forget` also drops the position from the store. */
  unsubscribe(options?: { readonly forget?: boolean }): Promise<void>;
};

export type SubscriptionOwner = {
  readonly intakeHost: IntakeHost;
  leave(subscription: LiveSubscription, forget: boolean): Promise<void>;
  report(error: WeirError): void;
};
type Waiting = { resolve(result: IteratorResult<ReceivedRecord>): void; reject(error: WeirError): void };

export class LiveSubscription implements Subscription {
  readonly filter: string;
  readonly ready: Promise<SubscriptionInfo>;
  readonly intake: Intake;
  /** The gateway holds it in this session. */
  established = false;
  readonly #owner: SubscriptionOwner;
  readonly #handler: Handler | undefined;
  readonly #autoAck: boolean;
  readonly #concurrency: number;
  readonly #emitter = new Emitter<SubscriptionEvents>();
  #settleReady: { resolve(info: SubscriptionInfo): void; reject(error: WeirError): void } | undefined;
  #state: "running" | "left" | WeirError = "running";
  #running = 0;
  #pumping = false;
  #iterating = false;
  #handed: Item | undefined;
  #waiting: Waiting | undefined;

  constructor(
    filter: string,
    options: SubscribeOptions,
    wiring: { readonly owner: SubscriptionOwner; readonly handler: Handler | undefined },
  ) {
    this.filter = filter;
    this.#owner = wiring.owner;
    this.#handler = wiring.handler;
    this.#autoAck = options.autoAck ?? true;
    this.#concurrency = options.concurrency ?? 1;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => undefined); // Whoever does not await it hears of a refusal through the error event.
    this.intake = new Intake(filter, options, wiring.owner.intakeHost, {
      ready: () => this.#pump(),
      hole: (hole) => this.#emitter.emit("hole", hole),
      skipped: (stretch) => this.#emitter.emit("skipped", stretch),
    });
  }

  on<Name extends keyof SubscriptionEvents>(name: Name, listener: (value: SubscriptionEvents[Name]) => void): Unlisten {
    return this.#emitter.on(name, listener);
  }

  async unsubscribe(options: { readonly forget?: boolean } = {}): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "left";
    this.#settleReady?.reject(
      clientError("subscriptionEnded", `Unsubscribed ${this.filter} before the gateway had answered`),
    );
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
    await this.#owner.leave(this, options.forget ?? false);
  }

  [Symbol.asyncIterator](): AsyncIterator<ReceivedRecord, undefined> {
    if (this.#handler !== undefined)
      throw clientError("badArgument", `Subscription ${this.filter} has a callback; it cannot be iterated as well`);
    if (this.#iterating) throw clientError("badArgument", `Subscription ${this.filter} is being iterated already`);
    this.#iterating = true;
    return {
      next: () => this.#next(),
      return: () => {
        this.#ackHanded();
        void this.unsubscribe();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  // What follows is for the SDK itself.

  bound(frame: Subscribed, epoch: string): void {
    this.established = true;
    this.intake.bind(frame, epoch);
    const info: SubscriptionInfo = { filter: frame.filter, qos: frame.qos, window: frame.window, resume: frame.resume };
    this.#settleReady?.resolve(info);
    this.#settleReady = undefined;
    this.#emitter.emit("resume", info);
  }

  deadLetter(event: SubscriptionEvents["deadLetter"]): void {
    this.#emitter.emit("deadLetter", event);
  }

  /** Refused, or ended by the gateway or by the end of the client. */
  end(error: WeirError): void {
    if (this.#state !== "running") return;
    this.#state = error;
    this.#settleReady?.reject(error);
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#emitter.emit("ended", error);
  }

  /** The client was closed by its owner: iterators end without an error. */
  close(): void {
    if (this.#state !== "running") return;
    this.#state = "left";
    this.#settleReady?.reject(clientError("closed", `The client was closed before ${this.filter} was subscribed`));
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  #next(): Promise<IteratorResult<ReceivedRecord>> {
    this.#ackHanded();
    if (this.#state === "left") return Promise.resolve({ done: true, value: undefined });
    if (this.#waiting !== undefined)
      return Promise.reject(clientError("badArgument", "Ask for the next record after the one before has come"));
    const item = this.intake.take();
    if (item !== undefined) return Promise.resolve({ done: false, value: this.#hand(item) });
    if (this.#state !== "running") return Promise.reject(this.#state);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #hand(item: Item): ReceivedRecord {
    this.#handed = item;
    return this.#record(item);
  }

  #ackHanded(): void {
    if (this.#handed !== undefined && this.#autoAck) this.intake.settle(this.#handed, "ack");
    this.#handed = undefined;
  }

  #record(item: Item): ReceivedRecord {
    return new ReceivedRecord(item, (settled, outcome) => {
      this.intake.settle(settled, outcome);
    });
  }

  /** Hands out what there is; a callback that does not wait is called in a plain loop. */
  #pump(): void {
    if (this.#handler === undefined) return this.#feedIterator();
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#running < this.#concurrency && this.#state === "running") {
      const item = this.intake.take();
      if (item === undefined) break;
      this.#run(this.#handler, item);
    }
    this.#pumping = false;
  }

  #feedIterator(): void {
    if (this.#waiting === undefined) return;
    const item = this.intake.take();
    if (item === undefined) return;
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve({ done: false, value: this.#hand(item) });
  }

  #run(handler: Handler, item: Item): void {
    try {
      const result = handler(this.#record(item));
      if (!isThenable(result)) return this.#finished(item);
      this.#running += 1;
      result.then(
        () => this.#resumePump(() => this.#finished(item)),
        (error: unknown) => this.#resumePump(() => this.#failed(item, error)),
      );
    } catch (error) {
      this.#failed(item, error);
    }
  }

  #resumePump(finish: () => void): void {
    this.#running -= 1;
    finish();
    this.#pump();
  }

  #finished(item: Item): void {
    if (this.#autoAck) this.intake.settle(item, "ack");
  }

  #failed(item: Item, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const { topic, seq } = item.record;
    this.#owner.report(
      clientError(
        "handlerFailed",
        `Handler of ${this.filter} failed on ${topic} at seq ${seq} (try ${item.attempt}): ${message}`,
        error,
      ),
    );
    this.intake.settle(item, { reason: message.slice(0, limits.textBytesMax / 4) }); // At most 4 bytes a character.
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
