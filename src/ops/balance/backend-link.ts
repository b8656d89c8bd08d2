/**
 * Connections to backends: dials them, reads the heads of what they answer, and keeps those that can be used again.
 * @module
 */
import { assert } from "../../protocol/assert.ts";
import type { Clock, Timer } from "../../runtime/ports.ts";
import { type BackendSpec, backendId } from "./backend.ts";
import type { BalanceLimits } from "./balance-limits.ts";
import type { DialCause, SocketHost } from "./byte-socket.ts";
import { type AnswerHead, parseAnswerHead } from "./http-head.ts";
import type { ProblemCause } from "./proxy-problem.ts";
import { SocketReader } from "./socket-reader.ts";

export type Linked =
  | { readonly ok: true; readonly reader: SocketReader; readonly reused: boolean }
  | { readonly ok: false; readonly cause: ProblemCause; readonly message: string };
/** reset: it ended without a byte of an answer. */
export type Answer =
  | { readonly ok: true; readonly head: AnswerHead }
  | { readonly ok: false; readonly cause: ProblemCause; readonly detail: string; readonly reset: boolean };

export type BackendLinkOptions = {
  readonly sockets: SocketHost;
  readonly clock: Clock;
  readonly limits: BalanceLimits;
  /** PEM, for backends over TLS. Undefined: whom the machine trusts. */
  readonly ca: string | undefined;
};

const dialProblems: Readonly<Record<DialCause, ProblemCause>> = {
  refused: "backendRefused",
  timeout: "backendTimeout",
  unreachable: "backendUnreachable",
  untrusted: "backendUntrusted",
};

type Idle = { readonly reader: SocketReader; readonly timer: Timer };

export class BackendLink {
  readonly #options: BackendLinkOptions;
  /** By backend; the one used last is used first. */
  readonly #idle = new Map<string, Idle[]>();

  constructor(options: BackendLinkOptions) {
    this.#options = options;
  }

  get idleConnections(): number {
    return [...this.#idle.values()].reduce((sum, idle) => sum + idle.length, 0);
  }

  /** A new connection. */
  async dial(spec: BackendSpec, timeoutMs = this.#options.limits.connectMs): Promise<Linked> {
    const { sockets, clock, limits, ca } = this.#options;
    const { hostname, port, secure } = spec;
    let reader: SocketReader | undefined;
    const dialled = await sockets.dial({ hostname, port, timeoutMs, ...(secure ? { tls: { ca } } : {}) }, (socket) => {
      reader = new SocketReader(socket, clock, limits);
      socket.handler = reader;
    });
    if (!dialled.ok) return { ok: false, cause: dialProblems[dialled.cause], message: dialled.message };
    assert(reader !== undefined, "a socket that was dialled was given its handler");
    return { ok: true, reader, reused: false };
  }

  /** One that is there already, or a new one. */
  async take(spec: BackendSpec): Promise<Linked> {
    const idle = this.#idle.get(backendId(spec))?.pop();
    if (idle === undefined) return await this.dial(spec);
    idle.timer.cancel();
    idle.reader.onOver = undefined;
    idle.reader.sink = undefined;
    return { ok: true, reader: idle.reader, reused: true };
  }

  /** Its answer is read to the end, and the backend wants to keep it. */
  keep(spec: BackendSpec, reader: SocketReader): void {
    const { clock, limits } = this.#options;
    const id = backendId(spec);
    const kept = this.#idle.get(id) ?? [];
    if (reader.isOver || reader.heldBytes > 0 || kept.length >= limits.idleConnectionsMax)
      return reader.socket.destroy();
    this.#idle.set(id, kept);
    const drop = (): void => {
      idle.timer.cancel();
      const at = kept.indexOf(idle);
      if (at >= 0) kept.splice(at, 1);
      if (kept.length === 0) this.#idle.delete(id);
      reader.onOver = undefined;
      reader.socket.destroy();
    };
    const idle: Idle = { reader, timer: clock.after(limits.idleConnectionMs, drop) };
    kept.push(idle);
    // Nobody has asked it anything: whatever it says now belongs to no request.
    reader.sink = drop;
    reader.onOver = drop;
    reader.onDrained = undefined;
    reader.socket.resume();
  }

  /** The head of the next answer. */
  async answer(reader: SocketReader, withinMs = this.#options.limits.answerMs): Promise<Answer> {
    const { headBytesMax: bytesMax, headersMax } = this.#options.limits;
    const read = await reader.head({ bytesMax, withinMs });
    switch (read.kind) {
      case "late":
        return { ...bad("backendTimeout", `The backend did not answer within ${withinMs} ms`), reset: false };
      case "over":
        return { ...bad("backendClosed", "The backend ended the connection before it answered"), reset: read.empty };
      case "too large":
        return bad("backendInvalid", `The head of the backend's answer is larger than ${bytesMax} bytes`);
      default: {
        const parsed = parseAnswerHead(read.bytes, headersMax);
        return parsed.ok ? parsed : bad("backendInvalid", `The backend's answer is not HTTP/1.1: ${parsed.detail}`);
      }
    }
  }

  stop(): void {
    for (const idle of this.#idle.values())
      for (const { reader, timer } of idle.splice(0)) {
        timer.cancel();
        reader.onOver = undefined;
        reader.socket.destroy();
      }
  }
}

function bad(cause: ProblemCause, detail: string): Extract<Answer, { ok: false }> {
  return { ok: false, cause, detail, reset: false };
}
