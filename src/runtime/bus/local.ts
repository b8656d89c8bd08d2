/**
 * The bus inside of one process: gateways that were made with the same hub hear each other.
 *
 * Owns: messages of one publisher arrive in their order, each in a turn of its own after the publish.
 * @module
 */
import type { Headers } from "../../protocol/frame.ts";
import { matches } from "../../protocol/topic.ts";
import type { Clock } from "../ports.ts";
import { assertFits, type Bus, type BusMessage, type BusReply, type BusRequestOptions, messageBytes } from "./bus.ts";
import { PendingRequests } from "./pending-requests.ts";

type Subscription = {
  readonly filter: string;
  readonly queue: string | undefined;
  readonly clock: Clock;
  readonly onMessage: (message: BusMessage) => void;
  stopped: boolean;
};

/** As NATS has it when nothing else is configured. */
const bytesMax = 1_048_576;

/** What joins local buses. */
export class LocalHub {
  readonly #subscriptions = new Set<Subscription>();
  /** By queue: whose turn it is. */
  readonly #turns = new Map<string, number>();

  subscribe(subscription: Subscription): void {
    this.#subscriptions.add(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    subscription.stopped = true;
    this.#subscriptions.delete(subscription);
    if (subscription.queue === undefined) return;
    for (const { queue } of this.#subscriptions) if (queue === subscription.queue) return;
    this.#turns.delete(subscription.queue);
  }

  /** Answers how many it is on the way to. */
  publish(message: BusMessage): number {
    const takers: Subscription[] = [];
    const queues = new Map<string, Subscription[]>();
    for (const subscription of this.#subscriptions) {
      const { filter, queue } = subscription;
      if (!matches(filter, message.subject)) continue;
      const members = queue === undefined ? takers : (queues.get(queue) ?? []);
      members.push(subscription);
      if (queue !== undefined) queues.set(queue, members);
    }
    for (const [queue, members] of queues) {
      const turn = this.#turns.get(queue) ?? 0;
      this.#turns.set(queue, turn + 1);
      takers.push(members[turn % members.length] as Subscription);
    }
    for (const taker of takers)
      taker.clock.soon(() => {
        if (!taker.stopped) taker.onMessage(message);
      });
    return takers.length;
  }
}

export function localBus(clock: Clock, hub: LocalHub = new LocalHub()): Bus {
  return new LocalBus(clock, hub);
}

class LocalBus implements Bus {
  readonly bytesMax = bytesMax;
  readonly #clock: Clock;
  readonly #hub: LocalHub;
  readonly #requests: PendingRequests;
  readonly #subscriptions = new Set<Subscription>();
  #closed = false;

  constructor(clock: Clock, hub: LocalHub) {
    this.#clock = clock;
    this.#hub = hub;
    this.#requests = new PendingRequests(clock);
  }

  publish(subject: string, data: Uint8Array, headers?: Headers): void {
    assertFits(messageBytes(data, headers), bytesMax);
    if (!this.#closed) this.#hub.publish({ subject, ...copied(data, headers) });
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void, { queue }: { readonly queue?: string } = {}) {
    if (this.#closed) return { stop: () => undefined, ready: async () => undefined };
    const subscription = { filter: subject, queue, clock: this.#clock, onMessage, stopped: false };
    this.#subscriptions.add(subscription);
    this.#hub.subscribe(subscription);
    return { stop: () => this.#stop(subscription), ready: async () => undefined };
  }

  async request(subject: string, data: Uint8Array, options: BusRequestOptions): Promise<BusReply> {
    assertFits(messageBytes(data, options.headers), bytesMax);
    if (this.#closed) return { ok: false, code: "unavailable" };
    return await this.#requests.open(options, (token) => {
      const settle = (reply: BusReply): void => this.#clock.soon(() => this.#requests.settle(token, reply));
      const reply = (answer: Uint8Array, headers?: Headers): void => {
        assertFits(messageBytes(answer, headers), bytesMax);
        settle({ ok: true, ...copied(answer, headers) });
      };
      const takers = this.#hub.publish({ subject, ...copied(data, options.headers), reply });
      if (takers === 0) settle({ ok: false, code: "noResponders" });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const subscription of [...this.#subscriptions]) this.#stop(subscription);
    this.#requests.settleAll("unavailable");
  }

  #stop(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#hub.unsubscribe(subscription);
  }
}

/** Whoever sent it may write to its buffer again. */
function copied(data: Uint8Array, headers: Headers | undefined) {
  return headers === undefined ? { data: data.slice() } : { data: data.slice(), headers: { ...headers } };
}
