/**
 * All subscriptions of a session: which filter is which, what the gateway was asked and has answered, and where a
 * frame that names a chain goes.
 *
 * Owns: a filter is held once; after every reconnect each subscription is bound again, or asked for again.
 * @module
 */

import { errorNumbers } from "../protocol/code-numbers.ts";
import { coreLimits as limits } from "../protocol/core-limits.ts";
import type {
  ChainSeq,
  Deliver,
  ErrorFrame,
  Frame,
  HeldPosition,
  Subscribed,
  Unsubscribed,
} from "../protocol/frame.ts";
import type { ChainId, LogEpoch } from "../protocol/ids.ts";
import type { Chain, Item } from "./chain.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";
import type { ClientClock, ClientTimer } from "./ports.ts";
import { itemOf, type ReceivedRecord } from "./record.ts";
import type { LiveSubscription } from "./subscription.ts";
import type { Acked } from "./transaction.ts";

export type SubscriptionsHost = {
  readonly clock: ClientClock;
  readonly connected: boolean;
  /** Number for a question whose answer carries it. */
  nextRef(): number;
  send(frame: Frame): void;
  report(error: WeirError): void;
};
type Route = { readonly subscription: LiveSubscription; readonly chain: Chain };
type Leaving = { ref: number; readonly done: () => void };

const retryMs = 1_000;
/** A subscription that the session holds and the application has not asked for by then is ended. */
const orphanMs = 10_000;

export class Subscriptions {
  readonly #host: SubscriptionsHost;
  readonly #byFilter = new Map<string, LiveSubscription>();
  readonly #asked = new Map<number, LiveSubscription>();
  readonly #routes = new Map<ChainId, Route>();
  readonly #leaving = new Map<string, Leaving[]>();
  /** Restored by the gateway before the application subscribed. */
  readonly #orphans = new Map<string, Subscribed>();
  #epoch: LogEpoch = "";
  #connection = 0;
  readonly #timers = new Set<ClientTimer>();

  constructor(host: SubscriptionsHost) {
    this.#host = host;
  }

  get(filter: string): LiveSubscription | undefined {
    return this.#byFilter.get(filter);
  }
  /** The subscription that an item is under way in. */
  holding(item: Item): LiveSubscription | undefined {
    return [...this.#byFilter.values()].find(({ intake }) => intake.chains.includes(item.chain));
  }

  /** Takes a record that is being processed into a transaction: it is acknowledged with its commit. */
  hold(record: ReceivedRecord): Acked {
    const item = itemOf(record);
    const intake = item === undefined ? undefined : this.holding(item)?.intake;
    if (item === undefined || intake === undefined || item.state !== "open") {
      throw clientError(
        "badArgument",
        `Record ${record.seq} on ${record.topic} is settled already, or its subscription has ended`,
      );
    }
    item.state = "inTransaction";
    return { intake, item };
  }

  add(subscription: LiveSubscription): void {
    this.#byFilter.set(subscription.filter, subscription);
    if (!this.#host.connected) return;
    const orphan = this.#orphans.get(subscription.filter);
    if (orphan === undefined) return this.#ask(subscription);
    this.#orphans.delete(subscription.filter);
    this.#restored(subscription, orphan);
    subscription.intake.askAgainAll(); // What came before now was let pass.
  }

  remove(subscription: LiveSubscription): Promise<void> {
    const { filter } = subscription;
    if (this.#byFilter.get(filter) !== subscription) return Promise.resolve();
    this.#byFilter.delete(filter);
    this.#unroute(subscription);
    return this.#leave(filter);
  }

  heldPositions(): { readonly epoch?: LogEpoch; readonly positions?: readonly HeldPosition[] } {
    const epoch = [...this.#byFilter.values()].map(({ intake }) => intake.epoch).find((each) => each !== undefined);
    if (epoch === undefined) return {};
    return { epoch, positions: [...this.#byFilter.values()].flatMap(({ intake }) => intake.heldPositions(epoch)) };
  }

  welcomed(outcome: "opened" | "resumed", epoch: LogEpoch): void {
    this.#epoch = epoch;
    this.#connection += 1;
    for (const [filter, leaving] of this.#leaving) {
      if (outcome === "resumed") this.#sendUnsubscribe(filter, leaving);
      else this.#left(filter);
    }
    for (const subscription of this.#byFilter.values()) {
      if (outcome === "opened") subscription.established = false;
      // One that the session holds is told by the gateway itself; any other is asked for.
      if (!subscription.established) this.#ask(subscription);
    }
    this.#later(limits.handshakeMs, () => {
      for (const subscription of this.#byFilter.values()) if (!this.#isBound(subscription)) this.#ask(subscription);
    });
  }

  connectionLost(): void {
    this.#connection += 1;
    this.#cancelTimers();
    this.#asked.clear();
    this.#routes.clear();
    this.#orphans.clear();
    for (const { intake } of this.#byFilter.values()) intake.unbind();
  }

  subscribed(frame: Subscribed): void {
    const asked = this.#asked.get(frame.ref);
    if (asked !== undefined) {
      this.#asked.delete(frame.ref);
      if (this.#byFilter.get(asked.filter) === asked) this.#bind(asked, frame);
      return;
    }
    if (frame.ref !== 0 || this.#leaving.has(frame.filter)) return;
    const subscription = this.#byFilter.get(frame.filter);
    if (subscription !== undefined) return this.#restored(subscription, frame);
    this.#orphans.set(frame.filter, frame);
    this.#later(orphanMs, () => {
      if (this.#orphans.delete(frame.filter)) void this.#leave(frame.filter);
    });
  }

  unsubscribed(frame: Unsubscribed): void {
    if (frame.ref !== 0) return this.#left(frame.filter, frame.ref);
    const subscription = this.#byFilter.get(frame.filter);
    if (subscription === undefined) return;
    this.#byFilter.delete(frame.filter);
    this.#unroute(subscription);
    const error = clientError(
      "subscriptionEnded",
      `The gateway ended the subscription ${frame.filter}: ${frame.cause ?? "no cause given"}`,
      frame.cause,
    );
    subscription.end(error);
    this.#host.report(error);
  }

  deliver(frame: Deliver): void {
    const route = this.#routes.get(frame.chain);
    if (route !== undefined) route.subscription.intake.deliver(route.chain, frame);
  }

  heads(heads: readonly ChainSeq[]): void {
    const subscriptions = new Set(heads.map(({ chain }) => this.#routes.get(chain)?.subscription));
    for (const subscription of subscriptions) subscription?.intake.heads(heads);
  }

  /** Whether the ERROR was about a subscription. */
  refused(frame: ErrorFrame): boolean {
    if (frame.chain !== undefined && frame.seq !== undefined) return this.#recordRefused(frame, frame.chain, frame.seq);
    if (frame.ref === undefined) return false;
    for (const [filter, leaving] of this.#leaving) {
      if (!leaving.some(({ ref }) => ref === frame.ref)) continue;
      this.#left(filter, frame.ref); // Not subscribed: what was wanted.
      return true;
    }
    const subscription = this.#asked.get(frame.ref);
    if (subscription === undefined) return false;
    this.#asked.delete(frame.ref);
    // The session holds it from an earlier run, and tells it with SUBSCRIBED of its own.
    if (frame.code === errorNumbers.alreadySubscribed) return true;
    if (frame.retryable) this.#later(frame.retryAfterMs ?? retryMs, () => this.#ask(subscription));
    else {
      this.#byFilter.delete(subscription.filter);
      subscription.end(wireError(frame));
      this.#host.report(wireError(frame));
    }
    return true;
  }

  endAll(error: WeirError | undefined): void {
    this.#cancelTimers();
    for (const subscription of this.#byFilter.values()) {
      if (error === undefined) subscription.close();
      else subscription.end(error);
    }
    for (const filter of [...this.#leaving.keys()]) this.#left(filter);
    this.#byFilter.clear();
  }

  #recordRefused(frame: ErrorFrame, id: ChainId, seq: number): boolean {
    const route = this.#routes.get(id);
    if (route === undefined) return false;
    const { subscription, chain } = route;
    if (frame.code === errorNumbers.deadLettered) {
      subscription.intake.deadLettered(chain, seq);
      subscription.deadLetter({ lane: chain.lane, seq, message: frame.message });
    } else if (frame.code === errorNumbers.badPosition) {
      subscription.intake.deadLettered(chain, seq); // The log holds no such record any more: it cannot come again.
      return false;
    } else if (frame.retryable) subscription.intake.nakRefused(chain, seq, frame.retryAfterMs);
    else return false;
    return true;
  }

  #ask(subscription: LiveSubscription): void {
    if (this.#byFilter.get(subscription.filter) !== subscription) return;
    for (const asked of this.#asked.values()) if (asked === subscription) return;
    const ref = this.#host.nextRef();
    this.#asked.set(ref, subscription);
    this.#host.send(subscription.intake.subscribeFrame(ref));
  }

  #restored(subscription: LiveSubscription, frame: Subscribed): void {
    if (frame.qos === subscription.intake.qos) return this.#bind(subscription, frame);
    // The application wants another quality now: made anew, from the positions that are known.
    void this.#leave(subscription.filter);
    subscription.established = false;
    this.#ask(subscription);
  }

  #bind(subscription: LiveSubscription, frame: Subscribed): void {
    this.#unroute(subscription);
    subscription.bound(frame, this.#epoch);
    for (const chain of subscription.intake.chains) {
      if (chain.id !== undefined) this.#routes.set(chain.id, { subscription, chain });
    }
  }

  #isBound(subscription: LiveSubscription): boolean {
    return subscription.intake.chains.some((chain) => chain.id !== undefined);
  }

  #unroute(subscription: LiveSubscription): void {
    for (const [id, route] of this.#routes) if (route.subscription === subscription) this.#routes.delete(id);
  }

  #leave(filter: string): Promise<void> {
    return new Promise((resolve) => {
      const leaving = { ref: 0, done: resolve };
      this.#leaving.set(filter, [...(this.#leaving.get(filter) ?? []), leaving]);
      if (this.#host.connected) this.#sendUnsubscribe(filter, [leaving]);
    });
  }

  #sendUnsubscribe(filter: string, leaving: readonly Leaving[]): void {
    for (const each of leaving) {
      each.ref = this.#host.nextRef();
      this.#host.send({ type: "unsubscribe", ref: each.ref, filter });
    }
  }

  #left(filter: string, ref?: number): void {
    const leaving = this.#leaving.get(filter) ?? [];
    const staying = ref === undefined ? [] : leaving.filter((each) => each.ref !== ref);
    if (staying.length === 0) this.#leaving.delete(filter);
    else this.#leaving.set(filter, staying);
    for (const each of leaving) if (!staying.includes(each)) each.done();
  }

  #later(delayMs: number, run: () => void): void {
    const connection = this.#connection;
    const timer = this.#host.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      if (connection === this.#connection) run();
    });
    this.#timers.add(timer);
  }

  /** A timer that has nothing left to do would still keep a process alive. */
  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
