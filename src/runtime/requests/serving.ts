/**
 * What clients of this node serve: one subscription of the bus for each filter, and each request that comes given to one
 * of them.
 *
 * Owns: a request that was given is answered, cancelled or past its deadline; until then it counts against who has it.
 * @module
 */
import type { ResponseFrame, Serve, Unserve } from "../../protocol/feature-frame.ts";
import type { Headers } from "../../protocol/frame.ts";
import { covers, filterProblem, isReserved, topicProblem } from "../../protocol/topic.ts";
import { type BusMessage, messageBytes } from "../bus/bus.ts";
import type { Attachment } from "../features/feature.ts";
import type { Timer } from "../ports.ts";
import type { Services } from "../services.ts";
import { errorFrame } from "../session/context.ts";
import { headersProblem } from "../session/publish-check.ts";
import {
  cancelSubject,
  type FailureCause,
  readRequestHeaders,
  responders,
  responseHeaders,
  withoutOwn,
} from "./request-headers.ts";

type Reply = NonNullable<BusMessage["reply"]>;
/** A request that a server has. */
type Given = { readonly ref: number; readonly id: string | undefined; readonly reply: Reply; readonly timer: Timer };
/** A connection that serves. */
type Server = {
  readonly attachment: Attachment;
  readonly filters: Set<string>;
  readonly given: Map<number, Given>;
  refs: number;
  /** SERVE frames that the bus has not taken yet. */
  waiting: number;
};
/** A filter that somebody here serves. */
type Served = {
  readonly servers: Server[];
  readonly subscription: { stop(): void; ready(): Promise<void> };
  turn: number;
};

const retryAfterMs = 1_000;
const requestPrefix = "r.";
const nothing = new Uint8Array();
const decoder = new TextDecoder();

export class Serving {
  readonly #services: Services;
  readonly #served = new Map<string, Served>();
  readonly #servers = new Map<Attachment, Server>();
  /** By the id that the asking gateway gave them. */
  readonly #givenById = new Map<string, readonly [Server, Given]>();
  readonly #cancels: { stop(): void };

  constructor(services: Services) {
    this.#services = services;
    this.#cancels = services.ports.bus.subscribe(cancelSubject, ({ data }) => this.#cancelled(decoder.decode(data)));
  }

  // --- filters ---

  async serve(attachment: Attachment, { ref, filter }: Serve): Promise<void> {
    const { peer } = attachment;
    const refusal = this.#refusal(attachment, ref, filter);
    if (refusal !== undefined) return void peer.send(refusal);
    const server = this.#serverOf(attachment);
    const served = this.#servedOf(filter);
    if (!server.filters.has(filter)) served.servers.push(server);
    server.filters.add(filter);
    server.waiting += 1;
    await served.subscription.ready();
    server.waiting -= 1;
    peer.send({ type: "served", ref, filter });
  }

  unserve(attachment: Attachment, { ref, filter }: Unserve): void {
    const server = this.#servers.get(attachment);
    if (server === undefined || !server.filters.has(filter))
      return void attachment.peer.send(errorFrame("notServed", `Filter "${filter}"`, { ref }));
    this.#end(server, filter);
    attachment.peer.send({ type: "unserved", ref, filter });
  }

  #refusal(attachment: Attachment, ref: number, filter: string) {
    const { peer } = attachment;
    const problem = filterProblem(filter, peer.limits);
    if (problem !== undefined) return errorFrame("badFilter", problem, { ref });
    if (isReserved(filter)) return errorFrame("reservedTopic", `Filter "${filter}" is reserved`, { ref });
    if (!allowed(peer, filter))
      return errorFrame("subscribeForbidden", `Filter "${filter}" is not covered by the subscribe claim`, { ref });
    const { filters, waiting = 0 } = this.#servers.get(attachment) ?? {};
    const { filtersServedMax } = peer.limits;
    if (filters !== undefined && filters.size >= filtersServedMax && !filters.has(filter))
      return errorFrame("tooManyServed", `${filters.size} filters are served by this connection`, { ref });
    if (waiting >= filtersServedMax)
      return errorFrame("overloaded", `${waiting} SERVE frames wait for the bus`, { ref, retryAfterMs });
    return undefined;
  }

  #servedOf(filter: string): Served {
    let served = this.#served.get(filter);
    if (served === undefined) {
      const subscription = this.#services.ports.bus.subscribe(
        `${requestPrefix}${filter}`,
        (message) => this.#come(filter, message),
        { queue: responders },
      );
      served = { servers: [], subscription, turn: 0 };
      this.#served.set(filter, served);
    }
    return served;
  }

  #serverOf(attachment: Attachment): Server {
    let server = this.#servers.get(attachment);
    if (server === undefined) {
      server = { attachment, filters: new Set(), given: new Map(), refs: 0, waiting: 0 };
      this.#servers.set(attachment, server);
    }
    return server;
  }

  #end(server: Server, filter: string): void {
    server.filters.delete(filter);
    const served = this.#served.get(filter);
    if (served === undefined) return;
    served.servers.splice(served.servers.indexOf(server), 1);
    if (served.servers.length > 0) return;
    this.#served.delete(filter);
    served.subscription.stop();
  }

  // --- requests ---

  /** Without somebody who waits it is no request, and nobody is troubled with it. */
  #come(filter: string, { subject, data, headers, reply }: BusMessage): void {
    const served = this.#served.get(filter);
    if (reply === undefined || served === undefined) return;
    const server = this.#pick(served);
    if (server === undefined)
      return answerFor(reply, "tooManyRequests", `All who serve "${filter}" have as many as may`);
    const { peer } = server.attachment;
    const topic = subject.slice(requestPrefix.length);
    const { id, deadlineMs = peer.limits.requestDeadlineMs } = readRequestHeaders(headers);
    const own = withoutOwn(headers);
    const problem = this.#unfit(server, topic, { data, headers: own });
    if (problem !== undefined) return answerFor(reply, ...problem);
    const ref = ++server.refs;
    const leftMs = Math.min(deadlineMs, peer.limits.requestDeadlineMsMax);
    const timer = this.#services.ports.clock.after(leftMs, () => this.#giveUp(server, ref));
    const given: Given = { ref, id, reply, timer };
    server.given.set(ref, given);
    if (id !== undefined) this.#givenById.set(id, [server, given]);
    this.#services.counters.requestsServing++;
    const request = { type: "request", ref, topic, payload: data, deadlineMs: leftMs } as const;
    peer.send(own === undefined ? request : { ...request, headers: own });
  }

  /** Of those who have room, one that has least to do; among them by turns. */
  #pick(served: Served): Server | undefined {
    const { servers } = served;
    const first = served.turn++ % servers.length;
    let picked: Server | undefined;
    for (let step = 0; step < servers.length; step++) {
      const server = servers[(first + step) % servers.length] as Server;
      const { peer } = server.attachment;
      const isFull =
        server.given.size >= peer.limits.requestsServingMax || peer.bufferedBytes() >= peer.limits.deliverBytesMax;
      if (!isFull && (picked === undefined || server.given.size < picked.given.size)) picked = server;
    }
    return picked;
  }

  /** A service may send what no client could. */
  #unfit(server: Server, topic: string, content: Content): readonly [FailureCause, string] | undefined {
    const { limits } = server.attachment.peer;
    const problem = topicProblem(topic, limits);
    if (problem !== undefined) return ["noResponders", problem];
    return contentProblem(content, limits);
  }

  respond(attachment: Attachment, { ref, payload, headers, error }: ResponseFrame): void {
    const { peer } = attachment;
    const server = this.#servers.get(attachment);
    const given = server?.given.get(ref);
    if (server === undefined || given === undefined) return; // It came too late.
    this.#settle(server, given);
    const answer = responseHeaders(headers, error === undefined ? {} : { error });
    const problem =
      contentProblem({ data: payload, headers: headers ?? {} }, peer.limits) ?? this.#tooLarge(payload, answer);
    if (problem === undefined) return given.reply(payload, answer);
    const [name, what] = problem;
    peer.send(errorFrame(name, what, { ref }));
    answerFor(given.reply, "responderFailed", `The response was refused: ${what}`);
  }

  #tooLarge(data: Uint8Array, headers: Headers): readonly [FailureCause, string] | undefined {
    const bytes = messageBytes(data, headers);
    const { bytesMax } = this.#services.ports.bus;
    return bytes <= bytesMax
      ? undefined
      : ["payloadTooLarge", `Response has ${bytes} bytes, at most ${bytesMax} travel`];
  }

  /** Its asker waits no longer. */
  #cancelled(id: string): void {
    const [server, given] = this.#givenById.get(id) ?? [];
    if (server !== undefined && given !== undefined) this.#giveUp(server, given.ref);
  }

  #giveUp(server: Server, ref: number): void {
    const given = server.given.get(ref);
    if (given === undefined) return;
    this.#settle(server, given);
    server.attachment.peer.send({ type: "cancel", ref });
  }

  #settle(server: Server, given: Given): void {
    given.timer.cancel();
    server.given.delete(given.ref);
    if (given.id !== undefined) this.#givenById.delete(given.id);
    this.#services.counters.requestsServing--;
  }

  // --- connections ---

  /** The claims changed: what they no longer cover ends. */
  reauthenticated(attachment: Attachment): void {
    const server = this.#servers.get(attachment);
    for (const filter of [...(server?.filters ?? [])]) {
      if (server === undefined || allowed(attachment.peer, filter)) continue;
      this.#end(server, filter);
      attachment.peer.send({ type: "unserved", ref: 0, filter, cause: "permissionChanged" });
    }
  }

  detached(attachment: Attachment): void {
    const server = this.#servers.get(attachment);
    if (server === undefined) return;
    this.#servers.delete(attachment);
    for (const filter of [...server.filters]) this.#end(server, filter);
    for (const given of [...server.given.values()]) {
      this.#settle(server, given);
      answerFor(given.reply, "responderFailed", "The responder's connection ended before it answered");
    }
  }

  stop(): void {
    this.#cancels.stop();
  }
}

type Content = { readonly data: Uint8Array; readonly headers: Headers | undefined };

function contentProblem(
  { data, headers }: Content,
  limits: Attachment["peer"]["limits"],
): readonly [FailureCause, string] | undefined {
  if (data.byteLength > limits.payloadBytesMax)
    return ["payloadTooLarge", `Payload has ${data.byteLength} bytes, at most ${limits.payloadBytesMax} are allowed`];
  const problem = headers === undefined ? undefined : headersProblem(headers, limits);
  return problem === undefined ? undefined : ["headersTooLarge", problem];
}

function answerFor(reply: Reply, cause: FailureCause, error: string): void {
  reply(nothing, responseHeaders(undefined, { cause, error }));
}

function allowed({ identity }: Attachment["peer"], filter: string): boolean {
  return identity.subscribe.some((claim) => covers(claim, filter));
}
