/**
 * `weir/client/requests`: ask whoever serves a topic, and serve topics oneself, on a client's connection.
 *
 * Owns: every request ends once, at the latest after its time; what is served is served again after every reconnect.
 * @module
 */
import type { Cancel, RequestFrame, ResponseFrame, Unserved } from "../protocol/feature-frame.ts";
import type { ErrorFrame, Frame, Headers } from "../protocol/frame.ts";
import { requestFrames } from "../protocol/request-shape.ts";
import { matches } from "../protocol/topic.ts";
import type { Client } from "./api.ts";
import type { WeirError } from "./errors.ts";
import type { Extension, ExtensionHost } from "./extensions.ts";
import type { ClientTimer } from "./ports.ts";

export type RequestOptions = {
  readonly headers?: Headers;
  /** From the call to the response, connecting included; the gateway cuts it to its `requestDeadlineMsMax`. @default 5_000 */
  readonly timeoutMs?: number;
  /** Stops the waiting; the responder hears of it. */
  readonly signal?: AbortSignal;
};

/** Payload and headers of a request or a response. */
export class Content {
  /** Yours to keep. */
  readonly payload: Uint8Array;
  readonly headers: Headers;
  constructor({ payload, headers = {} }: { readonly payload: Uint8Array; readonly headers?: Headers }) {
    this.payload = payload;
    this.headers = headers;
  }
  text(): string {
    return new TextDecoder().decode(this.payload);
  }
  /** Throws SyntaxError when the payload is no JSON. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

/** What a handler is given. */
export class ReceivedRequest extends Content {
  readonly topic: string;
  /** What is left of the requester's time when the request came. */
  readonly deadlineMs: number;
  /** Aborted when nobody waits for the response any more. */
  readonly signal: AbortSignal;
  constructor(frame: RequestFrame, signal: AbortSignal) {
    super(frame);
    this.topic = frame.topic;
    this.deadlineMs = frame.deadlineMs ?? 0;
    this.signal = signal;
  }
}

/** For a handler that answers with headers. */
export class Reply {
  readonly value: unknown;
  readonly headers: Headers;
  constructor(value: unknown, headers: Headers) {
    this.value = value;
    this.headers = headers;
  }
}

/** A Uint8Array is answered as it is, a `Reply` with its headers, nothing at all as an empty payload, anything else as JSON. */
export type RequestHandler = (request: ReceivedRequest) => unknown;

export type Served = {
  readonly filter: string;
  /** Resolves when the gateway has taken it the first time; rejects when it does not. */
  readonly ready: Promise<void>;
  /** Requests that came before are still answered. */
  stop(): void;
};

export type Requests = {
  /** Rejects with a WeirError: `noResponders`, `deadlineExceeded`, `responderError` (its `cause` is the response) … */
  request(topic: string, value: unknown, options?: RequestOptions): Promise<Content>;
  /** One handler for a filter. What it throws is the response's error. */
  serve(filter: string, handler: RequestHandler): Served;
};

/** The same for every call with this client. */
export function requests(client: Client): Requests {
  const offered = (): boolean => client.session?.features.includes("requests") ?? false;
  return client.extend("requests", (host) => new RequestExtension(host, offered));
}

type Asked = {
  readonly frame: Omit<RequestFrame, "deadlineMs">;
  readonly endsAt: number;
  readonly timer: ClientTimer;
  sent: boolean;
  settle(outcome: Content | WeirError): void;
};
type Serving = {
  readonly filter: string;
  readonly handler: RequestHandler;
  /** Of the SERVE that waits for its answer. */
  ref: number;
  settle(error?: WeirError): void;
};

const defaultTimeoutMs = 5_000;
const retryMs = 1_000;
const known: readonly string[] = ["headers", "timeoutMs", "signal"];
const errorCharsMax = 300; // in UTF-8 within textBytesMax
const nothing = new Uint8Array();

class RequestExtension implements Extension, Requests {
  readonly frames = requestFrames;
  readonly #host: ExtensionHost;
  readonly #offered: () => boolean;
  readonly #asked = new Map<number, Asked>();
  readonly #served = new Map<string, Serving>();
  readonly #running = new Map<number, AbortController>();
  #ended: WeirError | undefined;

  constructor(host: ExtensionHost, offered: () => boolean) {
    this.#host = host;
    this.#offered = offered;
  }

  // --- asking ---

  async request(topic: string, value: unknown, options: RequestOptions = {}): Promise<Content> {
    for (const name of Object.keys(options)) {
      if (known.includes(name)) continue;
      const message = `Unknown option "${name}" of request; known: ${known.join(", ")}`;
      throw this.#host.clientError("badOption", message);
    }
    const { headers, timeoutMs = defaultTimeoutMs, signal } = options;
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1)
      throw this.#host.clientError(
        "badOption",
        `Option "timeoutMs" of request is ${timeoutMs}, not a whole number from 1`,
      );
    const { payload } = this.#host.record(topic, value, headers === undefined ? {} : { headers });
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted === true) throw this.#aborted(topic, signal);
    const { clock } = this.#host;
    return await new Promise((resolve, reject) => {
      const ref = this.#host.nextRef();
      const abort = (): void => this.#giveUp(ref, this.#aborted(topic, signal));
      signal?.addEventListener("abort", abort);
      const asked: Asked = {
        frame: { type: "request", ref, topic, payload, ...(headers === undefined ? {} : { headers: { ...headers } }) },
        endsAt: clock.now() + timeoutMs,
        timer: clock.after(timeoutMs, () => this.#giveUp(ref, this.#late(topic, timeoutMs))),
        sent: false,
        settle: (outcome) => {
          this.#asked.delete(ref);
          asked.timer.cancel();
          signal?.removeEventListener("abort", abort);
          if (outcome instanceof Content) resolve(outcome);
          else reject(outcome);
        },
      };
      this.#asked.set(ref, asked);
      if (this.#host.connected) this.#ask(asked);
    });
  }

  #ask(asked: Asked): void {
    if (!this.#offered()) return asked.settle(this.#unavailable());
    asked.sent = true;
    const deadlineMs = Math.max(1, asked.endsAt - this.#host.clock.now());
    this.#host.send({ ...asked.frame, deadlineMs });
  }

  #giveUp(ref: number, error: WeirError): void {
    const asked = this.#asked.get(ref);
    if (asked?.sent === true) this.#host.send({ type: "cancel", ref });
    asked?.settle(error);
  }

  #aborted(topic: string, signal: AbortSignal | undefined): WeirError {
    return this.#host.clientError("aborted", `The request for ${topic} was aborted`, signal?.reason);
  }

  #late(topic: string, timeoutMs: number): WeirError {
    const message = `${topic} was not answered within ${timeoutMs} ms; the responder may have done it all the same`;
    return this.#host.wireError({ code: 0, cause: "deadlineExceeded", message, retryable: true });
  }

  #response({ ref, error, ...content }: ResponseFrame): void {
    const response = new Content(content);
    if (error === undefined) return this.#asked.get(ref)?.settle(response);
    const failed = this.#host.wireError({ code: 0, cause: "responderError", message: error });
    this.#asked.get(ref)?.settle(Object.assign(failed, { cause: response }));
  }

  // --- serving ---

  serve(filter: string, handler: RequestHandler): Served {
    if (typeof handler !== "function")
      throw this.#host.clientError("badArgument", `Handler of serve is ${typeof handler}, not a function`);
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#served.has(filter)) throw this.#host.clientError("badArgument", `This client serves ${filter} already`);
    const serving: Serving = { filter, handler, ref: 0, settle: () => undefined };
    const ready = new Promise<void>((resolve, reject) => {
      serving.settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    ready.catch(() => undefined); // Who does not ask hears of it by the event `error`.
    this.#served.set(filter, serving);
    if (this.#host.connected) this.#serve(serving);
    return { filter, ready, stop: () => this.#stop(serving) };
  }

  #serve(serving: Serving): void {
    if (!this.#offered()) return this.#refuse(serving, this.#unavailable());
    serving.ref = this.#host.nextRef();
    this.#host.send({ type: "serve", ref: serving.ref, filter: serving.filter });
  }

  #serveLater(serving: Serving, inMs = retryMs): void {
    this.#host.clock.after(inMs, () => {
      if (this.#host.connected && this.#served.get(serving.filter) === serving) this.#serve(serving);
    });
  }

  #stop(serving: Serving): void {
    if (this.#served.get(serving.filter) !== serving) return;
    this.#served.delete(serving.filter);
    serving.settle();
    this.#host.send({ type: "unserve", ref: this.#host.nextRef(), filter: serving.filter });
  }

  #unserved({ ref, filter, cause = "" }: Unserved): void {
    const serving = this.#served.get(filter);
    if (ref === 0 && serving !== undefined)
      this.#refuse(
        serving,
        this.#host.clientError("subscriptionEnded", `The gateway serves ${filter} no longer: ${cause}`),
      );
  }

  #refuse(serving: Serving, error: WeirError): void {
    this.#served.delete(serving.filter);
    serving.settle(error);
    this.#host.report(error);
  }

  async #run(frame: RequestFrame): Promise<void> {
    const { ref, topic } = frame;
    const controller = new AbortController();
    this.#running.set(ref, controller);
    try {
      const serving = [...this.#served.values()].find(({ filter }) => matches(filter, topic));
      if (serving === undefined) throw new Error(`${topic} is served here no longer`);
      const answer = await serving.handler(new ReceivedRequest(frame, controller.signal));
      const { value, headers } = answer instanceof Reply ? answer : new Reply(answer, {});
      const { payload } = value === undefined ? { payload: nothing } : this.#host.record(topic, value, { headers });
      this.#respond(controller, { type: "response", ref, payload, headers });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#respond(controller, {
        type: "response",
        ref,
        payload: nothing,
        error: message.slice(0, errorCharsMax).toWellFormed(),
      });
    }
  }

  #respond(controller: AbortController, frame: ResponseFrame): void {
    if (this.#running.get(frame.ref) !== controller) return; // cancelled, or of another connection
    this.#running.delete(frame.ref);
    this.#host.send(frame);
  }

  #cancel({ ref }: Cancel): void {
    this.#running.get(ref)?.abort();
    this.#running.delete(ref);
  }

  // --- the connection ---

  frame(frame: Frame): void {
    switch (frame.type) {
      case "request":
        return void this.#run(frame);
      case "response":
        return this.#response(frame);
      case "cancel":
        return this.#cancel(frame);
      case "served":
        return this.#served.get(frame.filter)?.settle();
      case "unserved":
        return this.#unserved(frame);
    }
  }

  refused(frame: ErrorFrame): boolean {
    const asked = this.#asked.get(frame.ref ?? 0);
    asked?.settle(this.#host.wireError(frame));
    const serving = [...this.#served.values()].find(({ ref }) => ref === frame.ref && ref > 0);
    if (serving !== undefined && frame.retryable) this.#serveLater(serving, frame.retryAfterMs);
    else if (serving !== undefined) this.#refuse(serving, this.#host.wireError(frame));
    return asked !== undefined || serving !== undefined;
  }

  welcomed(): void {
    for (const serving of [...this.#served.values()]) this.#serve(serving);
    for (const asked of [...this.#asked.values()]) this.#ask(asked);
  }

  #unavailable(): WeirError {
    const message = "This gateway offers no requests";
    return this.#host.wireError({ code: 0, cause: "featureUnavailable", message });
  }

  /** Whether a request that was sent has been done is not known: asking again is the application's decision. */
  lost(): void {
    for (const controller of this.#running.values()) controller.abort();
    this.#running.clear();
    const message = "The connection was lost while the request waited; the responder may have done it all the same";
    const error = this.#host.wireError({ code: 0, cause: "connectionLost", message, retryable: true });
    for (const asked of [...this.#asked.values()]) if (asked.sent) asked.settle(error);
  }

  ended(error: WeirError): void {
    this.#ended = error;
    for (const controller of this.#running.values()) controller.abort();
    this.#running.clear();
    for (const asked of [...this.#asked.values()]) asked.settle(error);
    for (const serving of this.#served.values()) serving.settle(error);
    this.#served.clear();
  }
}
