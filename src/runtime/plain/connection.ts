/**
 * One plain JSON socket: says who may read, then follows one filter of the log to it, at the pace at which it reads.
 *
 * Nothing is kept for a slow reader but its place in the log. Owns: nothing is sent before an identity covers the
 * filter; every record after the starting place is sent, in order, or what retention took is named.
 * @module
 */
import { closeReason } from "../../protocol/after-close.ts";
import { type CloseName, closeCodes } from "../../protocol/close-code.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { covers } from "../../protocol/topic.ts";
import { ConnectionFacts, journalledCause } from "../connection-facts.ts";
import type { ConnectionView } from "../inspection.ts";
import type { LogRecord } from "../log/event-log.ts";
import type { Timer } from "../ports.ts";
import type { Services } from "../services.ts";
import { mustCatchUp } from "../session/catch-up.ts";
import { startOf } from "../session/subscribe-options.ts";
import { tail } from "../tail.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import { plainNotice, plainRecord, positionText } from "./message.ts";
import type { PlainAsk } from "./upgrade.ts";

export type PlainHost = {
  /** It may read. */
  greeted(connection: PlainConnection): void;
  gone(connection: PlainConnection): void;
};
export type PlainParts = {
  readonly number: number;
  readonly socket: Socket;
  readonly services: Services;
  readonly ask: PlainAsk;
  readonly host: PlainHost;
};

export class PlainConnection implements SocketHandler {
  readonly id: string;
  readonly number: number;
  readonly #parts: PlainParts;
  readonly #socket: Socket;
  readonly #services: Services;
  /** For operators. */
  readonly facts: ConnectionFacts;
  readonly #over = new AbortController();
  #state: "authenticating" | "open" | "congested" | "closed" = "authenticating";
  #drained: (() => void) | undefined;
  #seq: Seq;
  #errors = 0;
  #heardAt: EpochMs;
  #deadline: Timer;
  #expiry: Timer | undefined;
  #beat: Timer | undefined;

  constructor(parts: PlainParts) {
    this.number = parts.number;
    this.id = `${parts.services.node}/c${parts.number}`;
    this.#parts = parts;
    this.#socket = parts.socket;
    this.#services = parts.services;
    this.#heardAt = this.#clock.now();
    const { remoteAddress } = parts.socket;
    const { node } = parts.services;
    this.facts = new ConnectionFacts({ id: this.id, node, remoteAddress, codec: "plain", openedAt: this.#heardAt });
    this.#seq = parts.services.hub.position;
    const { handshakeMs } = parts.services.limits;
    this.#deadline = this.#clock.after(handshakeMs, () => this.end("unauthenticated", "noToken"));
    void this.#authenticate(parts.ask.token);
  }

  view(): ConnectionView {
    const bufferedBytes = this.#bufferedBytes();
    return this.facts.view({ state: this.#state, bufferedBytes, session: undefined, roundTripMs: undefined });
  }

  // --- the socket's events ---

  message(data: Uint8Array | string): void {
    if (this.#closed) return;
    this.facts.framesIn++;
    this.#heardAt = this.#clock.now();
    this.#services.counters.framesIn++;
    this.#services.counters.bytesIn += data.length;
    const asked = typeof data === "string" ? parsed(data) : undefined;
    if (asked?.["type"] === "auth" && typeof asked["token"] === "string")
      return void this.#authenticate(asked["token"]);
    if (asked?.["type"] === "ping") return void this.#send(this.#notice("pong", {}));
    this.#send(
      this.#notice("error", { cause: "unexpectedFrame", message: 'Send {"type":"auth","token":"…"} or nothing' }),
    );
    if (++this.#errors > this.#services.limits.errorsPerConnectionMax) this.end("tooManyErrors", "tooManyErrors");
  }

  drain(): void {
    this.#drained?.();
  }

  close(code: number): void {
    if (!this.#closed) this.#services.counters.noteClosed("lost");
    this.#ends(`socketClosed ${code}`, code);
    this.#state = "closed";
    this.#deadline.cancel();
    this.#expiry?.cancel();
    this.#beat?.cancel();
    this.#over.abort();
    this.#drained?.();
    this.#parts.host.gone(this);
  }

  // --- when the node drains ---

  get gone(): boolean {
    return this.#state === "closed";
  }
  readonly session = undefined;
  sendTo(): void {
    // It knows no tickets: it is closed in its slot.
  }

  end(reason: CloseName, cause: string, message: string = closeCodes[reason].advice): void {
    if (this.#closed) return;
    const { code } = closeCodes[reason];
    this.#ends(journalledCause(reason, cause), code);
    this.#services.counters.noteClosed(reason);
    this.#socket.send(this.#notice("closing", { code, cause, message }));
    this.#state = "closed";
    this.#over.abort();
    this.#drained?.();
    this.#socket.close(code, closeReason(cause, message));
    // A peer that takes nothing any more would keep the socket for ever.
    this.#deadline.cancel();
    this.#deadline = this.#clock.after(this.#services.limits.drainMs, () => this.#socket.terminate());
  }

  /** How it stands is looked at while it is there. Nothing is acknowledged here. */
  #ends(cause: string, closeCode: number): void {
    const unacknowledged = { records: 0, bytes: 0 };
    const bufferedBytes = this.#bufferedBytes();
    this.facts.ends(cause, closeCode, {
      now: this.#clock.now(),
      heardAt: this.#heardAt,
      bufferedBytes,
      unacknowledged,
    });
  }

  #bufferedBytes(): number {
    return this.#closed ? 0 : this.#socket.bufferedBytes();
  }

  // --- who may read ---

  /** Anonymous clients that may not read can still send a token, until the deadline. */
  async #authenticate(token: string | undefined): Promise<void> {
    const { filter } = this.#parts.ask;
    let answer: Awaited<ReturnType<Services["ports"]["authenticator"]["authenticate"]>>;
    try {
      answer = await this.#services.ports.authenticator.authenticate(token);
    } catch (error) {
      this.#services.ports.logger.log("error", "authentication unavailable", {
        connection: this.id,
        error: String(error),
      });
      return this.end("overloaded", "authenticationUnavailable");
    }
    if (this.#closed) return;
    if (!answer.ok) {
      if (token === undefined) return;
      return this.end(answer.code === "tokenExpired" ? "tokenExpired" : "unauthenticated", answer.code);
    }
    const { identity } = answer;
    if (!identity.subscribe.some((claim) => covers(claim, filter))) {
      if (token === undefined) return;
      return this.end("forbidden", "subscribeForbidden");
    }
    this.facts.subject = identity.subject;
    this.#watchExpiry(identity.expiresAt);
    if (this.#state !== "authenticating") return;
    this.#state = "open";
    this.#deadline.cancel();
    this.#parts.host.greeted(this);
    await this.#follow().catch((error: unknown) => this.end("logUnavailable", String(error)));
  }

  #watchExpiry(expiresAt: EpochMs | undefined): void {
    this.#expiry?.cancel();
    if (expiresAt === undefined) return;
    const leftMs = Math.max(0, expiresAt - this.#clock.now());
    this.#expiry = this.#clock.after(leftMs, () => this.end("tokenExpired", "tokenExpired"));
  }

  // --- what it reads ---

  async #follow(): Promise<void> {
    const { hub, ports } = this.#services;
    const { filter, start } = this.#parts.ask;
    if (start.kind === "position" && start.epoch === ports.log.info().epoch)
      await mustCatchUp(this.#services, start.seq);
    const { positions, answer } = await startOf(start, ports.log, hub.position);
    this.#seq = positions[0];
    if (answer.kind === "epochChanged") return this.end("sessionEnded", answer.kind, otherLog);
    this.#send(this.#notice("subscribed", { filter, resume: answer }));
    this.#armBeat();
    for await (const step of tail({ hub, log: ports.log }, { filter, after: this.#seq, signal: this.#over.signal })) {
      if (this.#closed) return;
      if (step.kind === "trimmed") await this.#sendAll([this.#notice("trimmed", { first: step.first })]);
      else await this.#sendRecords(step.records);
      this.#seq = step.kind === "trimmed" ? step.first - 1 : step.scannedTo;
    }
  }

  async #sendRecords(records: readonly LogRecord[]): Promise<void> {
    const { epoch } = this.#services.ports.log.info();
    await this.#sendAll(records.map((record) => plainRecord(record, epoch)));
    this.#services.counters.recordsDelivered += records.length;
  }

  /** In order, no faster than the socket takes them. */
  async #sendAll(texts: readonly string[]): Promise<void> {
    for (let next = 0; next < texts.length && !this.#closed; ) {
      let full = false;
      this.#socket.cork(() => {
        while (next < texts.length && !full && !this.#closed) {
          const result = this.#send(texts[next] as string);
          if (result !== "dropped") next++;
          full = result !== "sent";
        }
      });
      if (full) await this.#room();
    }
  }

  #send(text: string) {
    const result = this.#socket.send(text);
    if (result === "dropped") return result;
    this.facts.framesOut++;
    this.#services.counters.framesOut++;
    this.#services.counters.bytesOut += text.length;
    return result;
  }

  /** Resolves when the socket has taken everything, or has ended. */
  async #room(): Promise<void> {
    if (this.#closed) return;
    this.#state = "congested";
    this.facts.congestedAt = this.#clock.now();
    const { congestedMs } = this.#services.limits;
    const late = this.#clock.after(congestedMs, () => this.end("slowConsumer", "slowConsumer"));
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    late.cancel();
    this.#drained = undefined;
    this.facts.congestedAt = undefined;
    if (!this.#closed) this.#state = "open";
  }

  /** So that a reader sees a dead connection, and has a recent position, also when its topics are silent. */
  #armBeat(): void {
    this.#beat = this.#clock.after(this.#services.limits.heartbeatMs, () => {
      if (this.#closed) return;
      if (this.#state === "open") this.#send(this.#notice("heartbeat", {}));
      this.#armBeat();
    });
  }

  #notice(type: string, data: unknown): string {
    const { log, clock } = this.#services.ports;
    return plainNotice(type, data, { time: clock.now(), position: positionText(log.info().epoch, this.#seq) });
  }

  get #closed(): boolean {
    return this.#state === "closed";
  }
  get #clock() {
    return this.#services.ports.clock;
  }
}

const otherLog = "The position is of a log that was made anew: come with from=all, or from=new";

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
