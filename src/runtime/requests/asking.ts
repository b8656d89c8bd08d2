/**
 * Requests that clients of this node make: checked, sent over the bus to whoever serves, answered once.
 *
 * Owns: a request has one answer, RESPONSE or ERROR, unless its client cancelled it or has gone; then nobody waits for it
 * any more, here or where it is worked on.
 * @module
 */
import type { ErrorName } from "../../protocol/error-code.ts";
import type { Cancel, RequestFrame } from "../../protocol/feature-frame.ts";
import { type BusFailure, type BusReply, messageBytes } from "../bus/bus.ts";
import type { Attachment } from "../features/feature.ts";
import type { Services } from "../services.ts";
import { errorFrame } from "../session/context.ts";
import { PublishCheck } from "../session/publish-check.ts";
import { cancelSubject, readResponseHeaders, requestHeaders, withoutOwn } from "./request-headers.ts";

/** Of one connection. */
type Asker = { readonly check: PublishCheck; readonly open: Map<number, AbortController> };
type Refusal = { readonly name: ErrorName; readonly what: string };

const idBytes = 9;
const retryAfterMs = 1_000;
const encoder = new TextEncoder();

export class Asking {
  readonly #services: Services;
  readonly #askers = new Map<Attachment, Asker>();
  readonly #node: string;
  #count = 0;

  constructor(services: Services) {
    this.#services = services;
    this.#node = services.ports.random.token(idBytes);
  }

  async ask(attachment: Attachment, frame: RequestFrame): Promise<void> {
    const { peer } = attachment;
    const asker = this.#asker(attachment);
    const { ref, topic, payload } = frame;
    const { requestDeadlineMs, requestDeadlineMsMax } = peer.limits;
    const deadlineMs = Math.min(Math.max(1, frame.deadlineMs ?? requestDeadlineMs), requestDeadlineMsMax);
    const id = `${this.#node}.${++this.#count}`;
    const headers = requestHeaders(frame.headers, { id, deadlineMs });
    const refusal = this.#refusal(attachment, asker, frame) ?? this.#tooLarge(messageBytes(payload, headers));
    if (refusal !== undefined) {
      this.#note(refusal.name);
      return void peer.send(errorFrame(refusal.name, refusal.what, { ref }));
    }
    const { counters, ports } = this.#services;
    const controller = new AbortController();
    asker.open.set(ref, controller);
    counters.requestsOpen++;
    const begun = ports.clock.now();
    const options = { timeoutMs: deadlineMs, headers, signal: controller.signal };
    const reply = await ports.bus.request(`r.${topic}`, payload, options);
    counters.requestsOpen--;
    asker.open.delete(ref);
    if (!reply.ok && reply.code === "aborted") return this.#cancelled(id);
    counters.requestLatency.observe(ports.clock.now() - begun);
    this.#answer(attachment, frame, reply);
  }

  cancel(attachment: Attachment, { ref }: Cancel): void {
    this.#askers.get(attachment)?.open.get(ref)?.abort();
  }

  reauthenticated(attachment: Attachment): void {
    const asker = this.#askers.get(attachment);
    if (asker !== undefined) asker.check.identity = attachment.peer.identity;
  }

  detached(attachment: Attachment): void {
    for (const controller of this.#askers.get(attachment)?.open.values() ?? []) controller.abort();
    this.#askers.delete(attachment);
  }

  #asker(attachment: Attachment): Asker {
    let asker = this.#askers.get(attachment);
    if (asker === undefined) {
      const { identity, limits } = attachment.peer;
      asker = { check: new PublishCheck(identity, limits), open: new Map() };
      this.#askers.set(attachment, asker);
    }
    return asker;
  }

  #refusal({ peer }: Attachment, { check, open }: Asker, frame: RequestFrame): Refusal | undefined {
    if (open.has(frame.ref)) return { name: "unexpectedFrame", what: `Request ${frame.ref} is open` };
    const problem = check.problem(frame);
    if (problem !== undefined) return { name: problem.name, what: problem.message };
    const { requestsOpenMax, requestsPerNodeMax } = peer.limits;
    if (open.size >= requestsOpenMax)
      return { name: "tooManyRequests", what: `${open.size} requests of this connection wait for their response` };
    const { requestsOpen } = this.#services.counters;
    if (requestsOpen >= requestsPerNodeMax)
      return { name: "tooManyRequests", what: `${requestsOpen} requests wait for their response at this gateway` };
    return undefined;
  }

  #tooLarge(bytes: number): Refusal | undefined {
    const { bytesMax } = this.#services.ports.bus;
    if (bytes <= bytesMax) return undefined;
    return { name: "payloadTooLarge", what: `Request has ${bytes} bytes with its headers, at most ${bytesMax} travel` };
  }

  #cancelled(id: string): void {
    this.#note("cancelled");
    this.#services.ports.bus.publish(cancelSubject, encoder.encode(id));
  }

  #answer({ peer }: Attachment, { ref, topic }: RequestFrame, reply: BusReply): void {
    if (!reply.ok) {
      const { name, what } = failure(reply, topic);
      this.#note(name);
      return void peer.send(errorFrame(name, what, { ref, ...(name === "overloaded" ? { retryAfterMs } : {}) }));
    }
    const { error, cause } = readResponseHeaders(reply.headers);
    if (cause !== undefined) {
      this.#note(cause);
      return void peer.send(errorFrame(cause, error ?? `Request for "${topic}"`, { ref }));
    }
    const headers = withoutOwn(reply.headers);
    const bytes = messageBytes(reply.data, headers);
    const { payloadBytesMax, headersBytesMax } = peer.limits;
    if (bytes > payloadBytesMax + headersBytesMax) {
      this.#note("payloadTooLarge");
      return void peer.send(errorFrame("payloadTooLarge", `Response has ${bytes} bytes with its headers`, { ref }));
    }
    this.#note(error === undefined ? "response" : "error");
    peer.send({
      ...{ type: "response", ref, payload: reply.data },
      ...(headers === undefined ? {} : { headers }),
      ...(error === undefined ? {} : { error }),
    });
  }

  #note(outcome: string): void {
    const { requests } = this.#services.counters;
    requests.set(outcome, (requests.get(outcome) ?? 0) + 1);
  }
}

function failure({ code }: BusFailure, topic: string): Refusal {
  if (code === "noResponders") return { name: code, what: `Nobody serves "${topic}"` };
  if (code === "timeout") return { name: "deadlineExceeded", what: `"${topic}" was not answered in time` };
  return { name: "overloaded", what: "Requests cannot travel between nodes now" };
}
