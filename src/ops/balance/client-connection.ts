/**
 * One connection of a client, from accept to close: reads the head of a request within its bounds, answers what cannot be
 * forwarded, hands over what can, and goes on with the next request until one of them is an upgrade or the last.
 * @module
 */
import type { BalanceContext } from "./balance-context.ts";
import type { ByteSocket } from "./byte-socket.ts";
import { type Exchange, runExchange } from "./exchange.ts";
import { forwardedFor, hasPassed, type Peer } from "./forwarded-head.ts";
import { requestFraming } from "./http-body.ts";
import { isWebSocketUpgrade, parseRequestHead, type RequestHead, staysOpen } from "./http-head.ts";
import { closeInPeace } from "./peaceful-close.ts";
import { type Problem, problemAnswer } from "./proxy-problem.ts";
import { SocketReader } from "./socket-reader.ts";
import { openTunnel } from "./upgrade.ts";

export class ClientConnection {
  readonly #context: BalanceContext;
  readonly #reader: SocketReader;
  readonly #secure: boolean;
  /** Between two requests: may be closed without anybody missing anything. */
  #isIdle = false;
  #isStopping = false;
  #onClosed: () => void;

  constructor(context: BalanceContext, socket: ByteSocket, options: { readonly secure: boolean; onClosed(): void }) {
    this.#context = context;
    this.#secure = options.secure;
    this.#onClosed = options.onClosed;
    this.#reader = new SocketReader(socket, context.clock, context.limits);
    socket.handler = this.#reader;
  }

  destroy(): void {
    this.#reader.socket.destroy();
  }

  async serve(): Promise<void> {
    try {
      for (let first = true; await this.#next(first); first = false);
    } catch (error) {
      this.#context.logger.log("error", "connection crashed", { error });
      this.#reader.socket.destroy();
    }
    this.#onClosed();
  }

  /** One of too many: it is told so and ended. */
  async refuse(problem: Problem): Promise<void> {
    this.#context.metrics.refused(problem.cause);
    await this.#answer(problem);
    this.#onClosed();
  }

  /** After the request that is under way, if there is one. */
  stop(): void {
    this.#isStopping = true;
    if (this.#isIdle) this.#reader.socket.destroy();
  }

  /** True: another request may come. */
  async #next(first: boolean): Promise<boolean> {
    const { limits, metrics } = this.#context;
    this.#isIdle = !first;
    const read = await this.#reader.head({
      bytesMax: limits.headBytesMax,
      withinMs: first ? limits.headMs : limits.keepAliveMs,
      onceBegunMs: limits.headMs,
    });
    this.#isIdle = false;
    if (read.kind === "over" || (read.kind === "late" && read.empty && !first)) return await this.#end();
    if (read.kind === "late")
      return await this.#refused({
        cause: "requestTimeout",
        detail: `The head of the request was not there within ${limits.headMs} ms`,
      });
    if (read.kind === "too large")
      return await this.#refused({
        cause: "headTooLarge",
        detail: `The head of the request is larger than ${limits.headBytesMax} bytes`,
      });
    const parsed = parseRequestHead(read.bytes, limits.headersMax);
    if (!parsed.ok) {
      const cause = parsed.status === 431 ? "headTooLarge" : parsed.status === 505 ? "versionUnknown" : "badRequest";
      return await this.#refused({ cause, detail: parsed.detail });
    }
    metrics.requests++;
    return await this.#forward(parsed.head);
  }

  async #forward(head: RequestHead): Promise<boolean> {
    const { via } = this.#context;
    const framed = requestFraming(head);
    if (!framed.ok)
      return await this.#refused({
        cause: framed.status === 400 ? "badRequest" : "codingUnknown",
        detail: framed.detail,
      });
    if (head.method === "CONNECT")
      return await this.#refused({ cause: "badRequest", detail: "CONNECT is not forwarded" });
    if (hasPassed(head, via))
      return await this.#refused({ cause: "loop", detail: "The request has been here before: a backend leads back" });
    const peer = this.#peer();
    const request: Exchange = {
      ...{ head, framing: framed.framing, client: this.#reader, peer },
      address: peer.trusted ? this.#context.trusted.clientOf(forwardedFor(head), peer.address) : peer.address,
      mayStay: staysOpen(head) && !this.#isStopping,
    };
    if (!isWebSocketUpgrade(head)) {
      const end = await runExchange(this.#context, request);
      if (end !== "next" && end !== "close") return await this.#refused(end, head);
      // Who sends requests and takes no answers is waited for: else they would pile up here.
      const goesOn = end === "next" && !this.#isStopping && (await this.#reader.written(this.#context.limits.idleMs));
      return goesOn || (await this.#end());
    }
    if (framed.framing.kind !== "none")
      return await this.#refused({ cause: "badRequest", detail: "An upgrade has no body" });
    const end = await openTunnel(this.#context, request);
    return end === "done" ? await this.#end() : await this.#refused(end, head);
  }

  #peer(): Peer {
    const address = this.#reader.socket.remoteAddress;
    return { address, trusted: this.#context.trusted.has(address), secure: this.#secure };
  }

  async #refused(problem: Problem, head?: RequestHead): Promise<false> {
    this.#context.metrics.refused(problem.cause);
    await this.#answer(problem, head?.method === "HEAD");
    return false;
  }

  async #answer(problem: Problem, bodiless = false): Promise<void> {
    this.#reader.socket.write(problemAnswer(problem, bodiless));
    await this.#end();
  }

  async #end(): Promise<false> {
    const { clock, limits } = this.#context;
    this.#reader.take();
    await closeInPeace(this.#reader.socket, { clock, lingerMs: limits.lingerMs });
    return false;
  }
}
