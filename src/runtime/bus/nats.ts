/**
 * The bus on core NATS, beside the log on its connection. Subjects get the log's name in front: `weir.b.…`, `weir.r.…`.
 *
 * Headers are NATS headers, where NATS can say them (log/jetstream/headers.ts).
 * @module
 */
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import type { Headers } from "../../protocol/frame.ts";
import { normalLane } from "../../protocol/lane.ts";
import { headersOf } from "../log/jetstream/header-block.ts";
import { headerLines, readRecordHeaders, recordFields } from "../log/jetstream/headers.ts";
import { newInbox } from "../log/jetstream/publisher.ts";
import type { Clock } from "../ports.ts";
import {
  assertFits,
  type Bus,
  type BusMessage,
  type BusReply,
  type BusRequestOptions,
  type BusSubscription,
} from "./bus.ts";
import { PendingRequests } from "./pending-requests.ts";

/** `name`: the log's; the first token of every subject. */
type NatsBusParts = { readonly nc: NatsConnection; readonly name: string; readonly clock: Clock };

type Outgoing = { readonly subject: string; readonly data: Uint8Array; readonly headers: Headers | undefined };

const bytesMaxDefault = 1_048_576;
const noResponders = 503;
const encoder = new TextEncoder();

export function natsBus(parts: NatsBusParts): Bus {
  return new NatsBus(parts);
}

class NatsBus implements Bus {
  readonly #nc: NatsConnection;
  readonly #prefix: string;
  readonly #inbox: string;
  readonly #requests: PendingRequests;
  readonly #subscriptions = new Set<{ unsubscribe(): void }>();
  #connected = true;
  #closed = false;

  constructor({ nc, name, clock }: NatsBusParts) {
    this.#nc = nc;
    this.#prefix = `${name}.`;
    this.#requests = new PendingRequests(clock);
    const inbox = newInbox(nc);
    this.#inbox = `${inbox}.`;
    this.#subscribe(`${inbox}.*`, (message) => {
      this.#requests.settle(message.subject.slice(this.#inbox.length), replyOf(message));
    });
    void this.#watchConnection();
  }

  get bytesMax(): number {
    return this.#nc.info?.max_payload ?? bytesMaxDefault;
  }

  publish(subject: string, data: Uint8Array, headers?: Headers): void {
    this.#send({ subject: this.#prefix + subject, data, headers });
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void, options: { readonly queue?: string } = {}) {
    if (this.#closed) return { stop: () => undefined, ready: async () => undefined };
    return this.#subscribe(
      this.#prefix + subject,
      (message) => {
        const to = message.reply ?? "";
        onMessage({
          subject: message.subject.slice(this.#prefix.length),
          ...contentOf(message),
          ...(to === "" ? {} : { reply: (data, headers) => this.#send({ subject: to, data, headers }) }),
        });
      },
      options.queue,
    );
  }

  async request(subject: string, data: Uint8Array, options: BusRequestOptions): Promise<BusReply> {
    if (this.#closed || !this.#connected) return { ok: false, code: "unavailable" };
    return await this.#requests.open(options, (token) => {
      this.#send({ subject: this.#prefix + subject, data, headers: options.headers }, this.#inbox + token);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.#requests.settleAll("unavailable");
  }

  #send({ subject, data, headers }: Outgoing, reply?: string): void {
    const block = headers === undefined ? undefined : blockOf(headers);
    assertFits(data.byteLength + (block?.byteLength ?? 0), this.bytesMax);
    if (this.#closed || !this.#connected || this.#nc.isClosed()) return;
    // Written out later: whoever sent it may write to its buffer again.
    this.#nc.publish(subject, data.slice(), {
      ...(reply === undefined ? {} : { reply }),
      ...(block === undefined ? {} : { headers: { encode: () => block } as unknown as MsgHdrs }),
    });
  }

  #subscribe(subject: string, receive: (message: Msg) => void, queue?: string): BusSubscription {
    const subscription = this.#nc.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) receive(message);
      },
      ...(queue === undefined ? {} : { queue }),
    });
    this.#subscriptions.add(subscription);
    return {
      stop: () => {
        if (this.#subscriptions.delete(subscription)) subscription.unsubscribe();
      },
      // A server takes what one connection says in its order. What is lost with a connection is said again on the next.
      ready: () => this.#nc.flush().catch(() => undefined),
    };
  }

  /** An answer to what was asked on the old connection does not come on the new one. */
  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#nc.status()) {
      if (type === "reconnect") this.#connected = true;
      if (type !== "disconnect") continue;
      this.#connected = false;
      this.#requests.settleAll("unavailable");
    }
  }
}

function blockOf(headers: Headers): Uint8Array {
  return encoder.encode(`NATS/1.0\r\n${headerLines(recordFields({ lane: normalLane, headers }))}\r\n`);
}

function contentOf(message: Msg): { readonly data: Uint8Array; readonly headers?: Headers } {
  const { headers } = readRecordHeaders(headersOf(message));
  return { data: message.data, ...(headers === undefined ? {} : { headers }) };
}

function replyOf(message: Msg): BusReply {
  const isStatus = message.data.byteLength === 0 && headersOf(message)?.code === noResponders;
  return isStatus ? { ok: false, code: "noResponders" } : { ok: true, ...contentOf(message) };
}
