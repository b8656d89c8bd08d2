/**
 * The client: one session over as many connections as it takes. It wires outbox, subscriptions, transactions and
 * history to the connection of the moment, and obeys what WELCOME says about the session.
 *
 * Owns: nothing is sent in a session before the store knows the session; the end of a connection loses nothing.
 * @module
 */

import { closeNumbers } from "../protocol/code-numbers.ts";
import type { Codec } from "../protocol/codec.ts";
import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { ErrorFrame, Frame, Hello, PublishRecord, Welcome } from "../protocol/frame.ts";
import { AckQueue } from "./acks.ts";
import type { Client, ClientEvents, ClientStatus, SessionInfo, Transaction } from "./api.ts";
import { Connector } from "./connector.ts";
import { CreditWindow } from "./credit.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";
import { Emitter, type Unlisten } from "./events.ts";
import { type Extension, type ExtensionHost, Extensions } from "./extensions.ts";
import { type History, HistoryReader } from "./history.ts";
import {
  type ConnectOptions,
  checkHistory,
  checkPublish,
  checkSubscribe,
  type HistoryOptions,
  type PublishOptions,
  type Settings,
  type SubscribeOptions,
  settings,
  urlsOf,
} from "./options.ts";
import type { PublishResult } from "./outbox.ts";
import { Persistence, type SavedSession } from "./persistence.ts";
import { platformPorts } from "./platform.ts";
import type { ClientPorts } from "./ports.ts";
import { Publisher } from "./publisher.ts";
import { StoreWriter, within } from "./store.ts";
import { type Handler, LiveSubscription, type Subscription, type SubscriptionOwner } from "./subscription.ts";
import { Subscriptions } from "./subscriptions.ts";
import { TokenSource } from "./token.ts";
import { Gathering, type TransactionResult, Transactions } from "./transaction.ts";
import { checkFilter, makeRecord } from "./value.ts";
import { Waiters } from "./waiters.ts";

const retryMs = 1_000;

export class LiveClient implements Client {
  readonly #options: ConnectOptions;
  readonly #settings: Settings;
  readonly #ports: ClientPorts;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #persistence: Persistence | undefined;
  readonly #credit = new CreditWindow();
  readonly #publisher: Publisher;
  readonly #acks: AckQueue;
  readonly #subscriptions: Subscriptions;
  readonly #transactions: Transactions;
  readonly #history: HistoryReader;
  readonly #tokens: TokenSource;
  readonly #extensions: Extensions;
  readonly #owner: SubscriptionOwner;
  readonly #waiters = new Waiters();
  readonly #connector: Connector;
  #session: SavedSession | undefined;
  #welcome: Welcome | undefined;
  #ended: WeirError | undefined;
  #ref = 0;
  #loaded = false;
  /** False: the gateway ended the session that we hold. */
  #endedBecause: string | undefined; // undefined: the session may be resumed
  #beforeLoad: (() => void)[] = [];

  constructor(url: string | readonly string[], options: ConnectOptions, codec: Codec) {
    this.#options = options;
    this.#settings = settings(options);
    this.#ports = { ...platformPorts(options.webSocket), ...options.ports };
    const { clock } = this.#ports;
    const send = (frame: Frame): void => this.#connector.send(frame);
    if (options.store !== undefined) {
      const writer = new StoreWriter(options.store, clock, (error) =>
        this.#owner.report(clientError("storeFailed", `The store refused a write: ${String(error)}`, error)),
      );
      this.#persistence = new Persistence(options.store, writer);
    }
    const client = this;
    const host = {
      clock,
      send,
      credit: this.#credit,
      persistence: this.#persistence,
      mustYield: () => this.#transactions.needsCredit,
      get connected(): boolean {
        return client.#connector.connected;
      },
      nextRef: () => ++this.#ref,
      report: (error: WeirError) => this.#emitter.emit("error", error),
      reserve: (tx: number, run: () => void) => this.#reserve(tx, run),
      record: (topic: string, value: unknown, options: PublishOptions) => this.#record(topic, value, options),
    };
    const wire = { codec };
    this.#publisher = new Publisher(host, this.#settings.outbox);
    this.#acks = new AckQueue(this.#settings.ack, clock, send);
    this.#subscriptions = new Subscriptions(host);
    this.#transactions = new Transactions(host);
    this.#history = new HistoryReader(host);
    this.#tokens = new TokenSource(options.token, { clock, send, report: host.report });
    this.#extensions = new Extensions(host, wire);
    this.#connector = new Connector(
      {
        urls: urlsOf(url),
        wire,
        ports: this.#ports,
        tokens: this.#tokens,
        reconnect: this.#settings.reconnect,
        ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
      },
      {
        hello: (asks) => this.#hello(asks),
        welcome: (frame) => this.#welcomed(frame),
        frame: (frame) => this.#frame(frame),
        heads: (heads) => this.#subscriptions.heads(heads),
        status: (status) => this.#emitter.emit("status", status),
        moving: (event) => this.#emitter.emit("moving", event),
        leaving: () => this.#acks.flush(),
        lost: (event, session) => this.#lost(event, session),
        stopped: (error) => this.#finish(error, true),
        report: host.report,
      },
    );
    this.#owner = {
      intakeHost: { clock, acks: this.#acks, persistence: this.#persistence, send },
      leave: (subscription, forget) => this.#leave(subscription, forget),
      report: host.report,
    };
    void this.#start();
  }

  get status(): ClientStatus {
    return this.#connector.status;
  }
  get session(): SessionInfo | undefined {
    if (this.#welcome === undefined) return undefined;
    const { session, epoch, tier, node, features } = this.#welcome;
    return { session, epoch, tier, node, features };
  }
  get outbox(): { readonly records: number; readonly bytes: number } {
    return { records: this.#publisher.records, bytes: this.#publisher.bytes };
  }
  get roundTripMs(): number | undefined {
    return this.#connector.roundTripMs;
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): Unlisten {
    return this.#emitter.on(name, listener);
  }

  connected(): Promise<void> {
    return this.#waiters.until(() => this.#connector.connected);
  }
  writable(): Promise<void> {
    const { recordsMax, bytesMax } = this.#settings.outbox;
    return this.#waiters.until(() => this.#publisher.records < recordsMax / 2 && this.#publisher.bytes < bytesMax / 2);
  }
  flush(): Promise<void> {
    this.#acks.flush();
    return this.#waiters.until(() => this.#loaded && this.#publisher.records === 0 && this.#transactions.size === 0);
  }

  async publish(topic: string, value: unknown, options: PublishOptions = {}): Promise<PublishResult> {
    this.#mustRun();
    const record = this.#record(topic, value, options);
    if (options.signal?.aborted === true)
      throw clientError("aborted", `Publish on ${topic} was aborted before it began`, options.signal.reason);
    if (!this.#loaded) await this.#whenLoaded();
    return this.#publisher.add(record, options.ordered ?? false, options.signal);
  }

  subscribe(filter: string, optionsOrHandler: SubscribeOptions | Handler = {}, maybeHandler?: Handler): Subscription {
    const options = typeof optionsOrHandler === "function" ? {} : optionsOrHandler;
    const handler = typeof optionsOrHandler === "function" ? optionsOrHandler : maybeHandler;
    checkSubscribe(options);
    checkFilter(filter);
    this.#mustRun();
    if (this.#subscriptions.get(filter) !== undefined)
      throw wireError({ code: 303, cause: "alreadySubscribed", message: `This client holds ${filter} already` });
    const subscription = new LiveSubscription(filter, options, { owner: this.#owner, handler });
    if (this.#loaded) subscription.intake.restore();
    else this.#beforeLoad.push(() => subscription.intake.restore());
    subscription.on("resume", (info) => {
      this.#emitter.emit("resume", info);
      this.#transactions.pump();
    });
    subscription.on("deadLetter", (event) => this.#emitter.emit("deadLetter", { filter, ...event }));
    this.#subscriptions.add(subscription);
    return subscription;
  }

  extend<E extends Extension>(name: string, make: (host: ExtensionHost) => E): E {
    this.#mustRun();
    return this.#extensions.extend(name, make);
  }

  async transaction(work: (transaction: Transaction) => unknown): Promise<TransactionResult> {
    this.#mustRun();
    const gathered = new Gathering({
      record: (topic, value, options) => this.#record(topic, value, options),
      hold: (record) => this.#subscriptions.hold(record),
    });
    try {
      await gathered.run(work);
      await this.#whenLoaded();
      return await this.#transactions.commit(gathered.records, gathered.acked);
    } catch (error) {
      gathered.rollback();
      throw error;
    } finally {
      this.#waiters.wake();
    }
  }

  history(filter: string, options: HistoryOptions = {}): History {
    checkHistory(options);
    checkFilter(filter);
    this.#mustRun();
    return this.#history.query(filter, options);
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#subscriptions.endAll(undefined);
    const { clock } = this.#ports;
    await within(limits.drainMs, clock, this.#persistence?.writer.flush()); // What is not stored is not acknowledged.
    this.#acks.flush();
    this.#finish(clientError("closed", "The client was closed"), false);
    await within(limits.drainMs, clock, this.#persistence?.close());
  }

  async #start(): Promise<void> {
    while (this.#persistence !== undefined && this.#ended === undefined) {
      try {
        await this.#load(this.#persistence);
        break;
      } catch (error) {
        this.#owner.report(clientError("storeFailed", `The store cannot be read: ${String(error)}`, error));
        await new Promise<void>((resolve) => this.#ports.clock.after(retryMs, resolve));
      }
    }
    this.#loaded = true;
    for (const run of this.#beforeLoad) run();
    this.#beforeLoad = [];
    if (this.#ended === undefined) void this.#connector.open();
  }

  async #load(persistence: Persistence): Promise<void> {
    const saved = await persistence.load();
    this.#session = saved.session;
    this.#transactions.startFrom(saved.transactionsNext);
    this.#publisher.restore(saved);
  }

  #hello(asks: Pick<Hello, "token" | "ticket">): Hello {
    const { resumeWindowMs, agent } = this.#options;
    const held = this.#endedBecause === undefined ? this.#session : undefined;
    return {
      type: "hello",
      ...held,
      ...asks,
      ...(resumeWindowMs === undefined ? {} : { resumeWindowMs }),
      ...(held === undefined ? {} : { settled: this.#publisher.settled, ...this.#subscriptions.heldPositions() }),
      ...(agent === undefined ? {} : { agent }),
    };
  }

  #welcomed(frame: Welcome): void {
    const { session, resumeKey, outcome, epoch } = frame;
    const [before, cause] = [this.#session, frame.cause ?? this.#endedBecause ?? "sessionUnknown"];
    this.#welcome = frame;
    this.#session = { session, resumeKey };
    this.#endedBecause = undefined;
    if (outcome === "resumed") this.#publisher.resumed(frame);
    else this.#newSession(before, frame, cause);
    this.#credit.open(frame.credit);
    this.#subscriptions.welcomed(outcome, epoch);
    this.#history.welcomed();
    this.#extensions.each((extension) => extension.welcomed(frame));
    if (outcome === "resumed") this.#emitter.emit("resumed", { session, publishedUpTo: frame.publishedUpTo });
    this.#transactions.pump();
    this.#publisher.flushSoon();
    this.#waiters.wake();
  }

  #newSession(before: SavedSession | undefined, frame: Welcome, cause: string): void {
    // The new session and the new numbers reach the store in one batch: a crash between them would mix two sessions.
    this.#persistence?.put("session", this.#session);
    const outcomeUnknown = this.#publisher.opened(frame, this.#settings.onSessionLost);
    if (before === undefined) return;
    this.#transactions.sessionLost(this.#settings.onSessionLost);
    this.#emitter.emit("lost", { session: before.session, cause, outcomeUnknown });
  }

  #lost(event: ClientEvents["disconnected"], session: "kept" | "ended"): void {
    if (session === "ended") this.#endedBecause = /^\w+(?=:)/.exec(event.reason)?.[0] ?? "sessionEnded";
    this.#publisher.connectionLost();
    this.#credit.open({ records: 0, bytes: 0 });
    this.#subscriptions.connectionLost();
    this.#transactions.connectionLost();
    this.#extensions.each((extension) => extension.lost());
    this.#emitter.emit("disconnected", event);
  }

  #finish(error: WeirError, failed: boolean): void {
    this.#ended = error;
    this.#publisher.rejectAll(error);
    this.#transactions.rejectAll(error);
    this.#history.rejectAll(error);
    this.#extensions.each((extension) => extension.ended(error));
    this.#subscriptions.endAll(failed ? error : undefined);
    if (error.code === "superseded") this.#emitter.emit("superseded", error);
    if (failed) this.#owner.report(error);
    this.#connector.stop();
    for (const run of this.#beforeLoad) run();
    this.#waiters.end(error);
  }

  #frame(frame: Frame): void {
    switch (frame.type) {
      case "published":
        this.#publisher.published(frame);
        this.#transactions.pump();
        return this.#waiters.wake();
      case "deliver":
        this.#subscriptions.deliver(frame);
        return this.#transactions.pump();
      case "subscribed":
        return this.#subscriptions.subscribed(frame);
      case "unsubscribed":
        return this.#subscriptions.unsubscribed(frame);
      case "credit":
        this.#credit.grant({ records: frame.records, bytes: frame.bytes });
        this.#transactions.pump();
        return this.#publisher.flushSoon();
      case "committed":
        this.#transactions.committed(frame);
        this.#publisher.flushSoon();
        return this.#waiters.wake();
      case "page":
        return this.#history.page(frame);
      case "authenticated":
        return this.#tokens.expiresAt(frame.expiresAt);
      case "error":
        return this.#error(frame);
      default: // Frames that only clients send: a gateway that sends them is not one to guess about.
        if (this.#extensions.frame(frame)) return;
        this.#connector.drop(closeNumbers.protocolViolation, `unexpectedFrame: ${frame.type}`);
    }
  }

  #error(frame: ErrorFrame): void {
    if (frame.tx !== undefined) {
      this.#transactions.failed(frame);
      return this.#publisher.flushSoon();
    }
    if (frame.n !== undefined) this.#publisher.holdBack(frame, frame.n);
    else if (this.#subscriptions.refused(frame) || this.#history.refused(frame) || this.#extensions.refused(frame))
      return;
    this.#owner.report(wireError(frame));
  }

  #reserve(tx: number, run: () => void): void {
    if (this.#persistence === undefined) return run();
    this.#persistence.put("transactions", { next: tx + 1 });
    this.#persistence.writer.whenDurable(run);
  }

  async #leave(subscription: LiveSubscription, forget: boolean): Promise<void> {
    if (forget) subscription.intake.forget();
    this.#acks.flush();
    await this.#subscriptions.remove(subscription);
  }

  #record(topic: string, value: unknown, options: PublishOptions): PublishRecord {
    checkPublish(options);
    return makeRecord(topic, value, {
      ...options,
      payloadBytesMax: this.#welcome?.payloadBytesMax ?? limits.payloadBytesMax,
    });
  }

  async #whenLoaded(): Promise<void> {
    if (!this.#loaded) await new Promise<void>((resolve) => this.#beforeLoad.push(resolve));
    this.#mustRun();
  }

  #mustRun(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }
}
