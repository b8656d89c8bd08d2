/**
 * One socket: frames in and out, its statechart, and the session that it carries.
 *
 * Owns: frames are decoded at one door; nothing but HELLO before WELCOME; what cannot be trusted any more is
 * closed with its cause.
 * @module
 */
import type { ConnectionSignal } from "../actors/connection/machine.ts";
import type { ConnectionEffect } from "../actors/effect.ts";
import { closeReason } from "../protocol/after-close.ts";
import { type FromClient, fromClient } from "../protocol/all-frames.ts";
import { type CloseName, closeCodes } from "../protocol/close-code.ts";
import type { Codec, CodecName, DecodeFailure } from "../protocol/codec.ts";
import { isFrameFault } from "../protocol/error-code.ts";
import type { Auth, Frame, Hello } from "../protocol/frame.ts";
import type { EpochMs } from "../protocol/ids.ts";
import type { Limits } from "../protocol/limits.ts";
import type { Destination } from "./cluster/drain.ts";
import { ConnectionFacts, journalledCause } from "./connection-facts.ts";
import type { ConnectionParts } from "./connection-host.ts";
import { Farewell } from "./farewell.ts";
import type { Attachment } from "./features/feature.ts";
import { isOfFeature, type LaterFrame } from "./features/features.ts";
import { authenticate, greet, type Refusal } from "./handshake.ts";
import type { ConnectionView } from "./inspection.ts";
import { Liveness } from "./liveness.ts";
import { Outlet, type OutletHost } from "./outlet.ts";
import type { Identity } from "./ports.ts";
import type { Services } from "./services.ts";
import type { Attached } from "./session/attached.ts";
import { errorFrame, nobody, type Peer } from "./session/context.ts";
import type { Session } from "./session/session.ts";
import { welcomeFrame } from "./session/welcome.ts";
import type { Child, Supervised } from "./supervisor.ts";
import { TokenExpiry } from "./token-check.ts";
import type { SendResult, Socket, SocketHandler } from "./transport/transport.ts";
import { takesTickets } from "./upgrade.ts";

export class Connection implements Peer, OutletHost, SocketHandler, Supervised {
  readonly id: string;
  readonly limits: Limits;
  /** Its statechart, set once when it is spawned. */
  actor: Child<ConnectionSignal> | undefined;
  readonly #parts: ConnectionParts;
  readonly #socket: Socket;
  readonly #codec: Codec;
  readonly #services: Services;
  #identity: Identity = nobody;
  #session: Session | undefined;
  #attachment: Attachment | undefined;
  #hello = false;
  #closed = false;
  #paused = false;
  readonly #outlet: Outlet;
  /** Frames that came while the session was being attached. */
  #early: LaterFrame[] | undefined = [];
  #errors = 0;
  readonly #liveness: Liveness;
  readonly facts: ConnectionFacts;
  readonly #farewell: Farewell;
  /** What came in since it is held. */
  #kept: (Uint8Array | string)[] | undefined;
  readonly #expiry: TokenExpiry;

  constructor(parts: ConnectionParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#socket = parts.socket;
    this.#codec = parts.codec;
    this.#services = parts.services;
    const { services, socket } = parts;
    this.limits = services.limits;
    const openedAt = this.#now();
    const of = { id: parts.id, node: services.node, remoteAddress: socket.remoteAddress, codec: this.codec };
    this.facts = new ConnectionFacts({ ...of, openedAt });
    this.#liveness = new Liveness(this.limits, openedAt);
    this.#expiry = new TokenExpiry(services.ports.clock, () => this.end("tokenExpired", "tokenExpired"));
    this.#farewell = new Farewell(socket.context === takesTickets);
    this.#outlet = new Outlet(socket, this, this.limits.owedBytesMax);
  }

  get codec(): CodecName {
    return this.#codec.name;
  }
  get identity(): Identity {
    return this.#identity;
  }
  /** For operators. */
  view(): ConnectionView {
    const [session, state] = [this.#session?.id, this.actor?.state ?? "closed"];
    const { roundTripMs } = this.#liveness;
    return this.facts.view({ session, state, roundTripMs, bufferedBytes: this.#buffered() });
  }

  // --- out ---

  send(frame: Frame): SendResult {
    if (this.#closed) return "dropped";
    if (frame.type !== "deliver") {
      const result = this.#outlet.answer(this.#codec.encode(frame));
      if (frame.type === "error") this.#noteError(frame.code, frame.cause);
      return result;
    }
    this.#services.look();
    // Behind the frames that are owed; its reader sends again what was dropped.
    const result =
      this.#outlet.free && this.#kept === undefined ? this.#outlet.write(this.#codec.encode(frame)) : "dropped";
    if (result !== "dropped") this.#services.counters.recordsDelivered += frame.records.length;
    return result;
  }

  #noteError(code: number, cause: string): void {
    this.#services.counters.noteError(cause);
    if (isFrameFault(code) && ++this.#errors > this.limits.errorsPerConnectionMax)
      this.end("tooManyErrors", "tooManyErrors");
  }

  sent(length: number): void {
    this.facts.framesOut++;
    this.#services.counters.framesOut++;
    this.#services.counters.bytesOut += length;
  }
  congested(): void {
    if (this.facts.congestedAt !== undefined) return;
    this.facts.congestedAt = this.#now();
    this.actor?.send({ type: "socket.congested" });
  }
  overdue(): void {
    this.end("slowConsumer", "slowConsumer");
  }

  subscribe(channel: string): void {
    if (!this.#closed) this.#socket.subscribe(channel);
  }
  unsubscribe(channel: string): void {
    if (!this.#closed) this.#socket.unsubscribe(channel);
  }
  get gone(): boolean {
    return this.#closed;
  }
  /** Held, it takes as little as a socket that is full. */
  bufferedBytes(): number {
    return this.#kept === undefined ? this.#buffered() : Number.POSITIVE_INFINITY;
  }
  #buffered(): number {
    return this.#closed ? 0 : this.#socket.bufferedBytes();
  }
  pause(): void {
    this.#paused = true;
    if (!this.#closed) this.#socket.pause();
  }
  resume(): void {
    this.#paused = false;
    this.#liveness.heard(this.#now());
    if (!this.#closed && this.#kept === undefined) this.#socket.resume();
  }
  hold(): void {
    this.#kept ??= [];
    if (!this.#closed) this.#socket.pause();
  }
  goOn(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    if (!this.#paused) this.resume();
    for (const data of kept) this.message(data);
  }
  /** To another node, in its slot; until then everything goes on. */
  sendTo(destination: Destination): void {
    this.#farewell.sendTo(destination);
    this.send(this.#farewell.frame("goingAway", "draining", this.#now()));
  }
  get session(): string {
    return this.#session?.id ?? "";
  }
  end(reason: CloseName, cause: string): void {
    this.actor?.send({ type: "close.asked", reason, cause });
  }

  // --- in ---

  message(data: Uint8Array | string): void {
    if (this.#closed) return;
    this.#services.look();
    if (this.#kept !== undefined) return void this.#kept.push(data);
    this.#liveness.heard(this.#now());
    this.facts.framesIn++;
    this.#services.counters.framesIn++;
    this.#services.counters.bytesIn += data.length;
    const decoded = this.#codec.decode(data, this.limits);
    if (!decoded.ok) return this.#refuseBytes(decoded);
    const { frame } = decoded;
    if (!fromClient.has(frame.type)) return this.#unexpected(`${frame.type.toUpperCase()} is not sent by clients`);
    this.#parts.host.guard(this, () => this.#receive(frame as FromClient));
  }

  drain(): void {
    this.#outlet.drain();
    if (!this.#outlet.free) return;
    if (this.facts.congestedAt !== undefined) this.actor?.send({ type: "socket.drained" });
    this.facts.congestedAt = undefined;
    this.#session?.drained();
  }

  /** Of the socket: it is gone, however it ended. */
  close(code: number): void {
    if (!this.#closed) this.#services.counters.noteClosed("lost");
    const cause = `socketClosed ${code}`;
    this.#ends(cause, code);
    this.#closed = true;
    this.#expiry.cancel();
    this.actor?.send({ type: "socket.lost", cause });
    // A socket may end inside the very call that closes it: the statechart is still busy then, and would release too late.
    this.#release(cause);
    this.#parts.host.gone(this);
  }

  /** Its actor threw: nothing can be trusted to it any more. */
  crashed(): void {
    this.#sayGoodbye("internal", "actorCrashed");
    this.#ends("actorCrashed", 0);
    this.#release("actorCrashed");
  }

  #refuseBytes(failure: DecodeFailure): void {
    const { code, at, message, ref } = failure;
    this.send(errorFrame(code, `${message} at ${at}`, ref === undefined ? {} : { ref }));
    if (code === "frameTooLarge") this.end("frameTooLarge", code);
    else if (code === "malformedFrame" || code === "frameTooDeep" || !this.#hello) this.end("protocolViolation", code);
  }

  #unexpected(what: string): void {
    this.send(errorFrame("unexpectedFrame", what));
    if (!this.#hello) this.end("protocolViolation", "unexpectedFrame");
  }

  #receive(frame: FromClient): void | Promise<void> {
    if (!this.#hello && frame.type !== "hello")
      return this.#unexpected(`${frame.type.toUpperCase()} came before HELLO`);
    switch (frame.type) {
      case "hello":
        if (this.#hello) return this.#unexpected("HELLO is sent once");
        this.#hello = true;
        return this.#greet(frame);
      case "ping":
        return void this.send({ type: "pong", id: frame.id, ...this.#heads() });
      case "pong":
        return this.#liveness.answered(frame.id, this.#now());
      case "auth":
        return this.#reauthenticate(frame);
      default:
        return this.#later(frame);
    }
  }

  #later(frame: LaterFrame): void | Promise<void> {
    const session = this.#session;
    if (session === undefined || this.#attachment === undefined) return this.#keepEarly(frame);
    if (isOfFeature(frame)) return this.#services.features.receive(this.#attachment, frame);
    this.#parts.sessions.guard(session, () => {
      const answer = session.receive(frame);
      if (answer === undefined) return undefined;
      return "then" in answer ? answer : this.end(answer.close, answer.cause);
    });
  }

  #keepEarly(frame: LaterFrame): void {
    if (this.#early === undefined) return; // closing
    this.#early.push(frame);
    if (this.#early.length > this.limits.framesBeforeWelcomeMax)
      this.end("protocolViolation", "tooManyFramesBeforeWelcome");
  }

  // --- handshake ---

  async #greet(hello: Hello): Promise<void> {
    this.actor?.send({ type: "hello.received" });
    this.facts.agent = hello.agent ?? "";
    const { services, sessions, host } = this.#parts;
    const refusal = host.admit(hello.ticket !== undefined);
    if (refusal !== undefined) return this.#turnAway(refusal);
    const identified = (identity: Identity): void => {
      this.#identity = identity;
      this.facts.subject = identity.subject;
    };
    const { remoteAddress } = this.#socket;
    const from = { remoteAddress, takesTickets: this.#farewell.takesTickets };
    const greeted = await greet(hello, { services, sessions, peer: this, from, identified });
    if (greeted === undefined) return;
    if (greeted.ok) this.#welcome(greeted, hello);
    else this.#turnAway(greeted);
  }

  #turnAway({ reason, cause, retryAfterMs, error, destination }: Refusal): void {
    if (error !== undefined) this.send(error);
    this.#farewell.retryAfterMs = retryAfterMs;
    if (destination !== undefined) this.#farewell.sendTo(destination);
    this.end(reason, cause);
  }

  #welcome(attached: Extract<Attached, { ok: true }>, hello: Hello): void {
    const { session } = attached;
    this.#session = session;
    this.facts.session = session.id;
    this.#parts.host.greeted(this);
    this.actor?.send({ type: "session.attached" });
    this.#expiry.watch(this.#identity);
    this.#socket.cork(() => {
      this.send(welcomeFrame(attached, this, this.#services));
      session.begin(this, hello);
    });
    this.#attachment = { session: session.id, owner: session.state.owner, peer: this };
    this.#services.features.attached(this.#attachment);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const frame of early) this.#parts.host.guard(this, () => this.#later(frame));
  }

  // --- token ---

  async #reauthenticate(frame: Auth): Promise<void> {
    const session = this.#session;
    if (session === undefined) return this.#unexpected("AUTH came before WELCOME");
    const authentication = await authenticate(this.#services, this.id, frame.token);
    if ("reason" in authentication) return this.#turnAway(authentication);
    if (!authentication.ok) return void this.send(errorFrame("tokenInvalid", authentication.message));
    const { identity } = authentication;
    if (identity.subject !== session.state.subject) return this.end("forbidden", "subjectChanged");
    this.#identity = identity;
    session.reauthenticate(identity);
    if (this.#attachment !== undefined) this.#services.features.reauthenticated(this.#attachment);
    this.#expiry.watch(this.#identity);
    const until = identity.expiresAt === undefined ? {} : { expiresAt: identity.expiresAt };
    this.send({ type: "authenticated", ...until });
  }

  // --- effects of the statechart ---

  perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case "check liveness":
        return this.#checkLiveness();
      case "say goodbye":
        return this.#sayGoodbye(effect.reason, effect.cause);
      case "terminate socket":
        return this.#socket.terminate();
      case "release session":
        return this.#release(effect.cause);
    }
  }

  #checkLiveness(): void {
    if (this.#paused || this.#kept !== undefined) return; // nothing is read from it, so nothing can be heard
    const due = this.#liveness.check(this.#now());
    if (due === "silent") this.actor?.send({ type: "peer.silent" });
    else if (due !== undefined) this.send({ type: "ping", id: due, ...this.#heads() });
  }

  #heads() {
    const heads = this.#session?.heads() ?? [];
    return heads.length === 0 ? {} : { heads: heads.slice(0, this.limits.listItemsMax) };
  }

  #sayGoodbye(reason: CloseName, cause: string): void {
    if (this.#closed) return;
    const { code, advice } = closeCodes[reason];
    this.#ends(journalledCause(reason, cause), code);
    const result = this.#socket.send(this.#codec.encode(this.#farewell.frame(reason, cause, this.#now())));
    this.#services.counters.noteClosed(reason);
    this.#closed = true;
    this.#early = undefined;
    this.#expiry.cancel();
    if (result === "dropped") this.#socket.terminate();
    else this.#socket.close(code, closeReason(cause, advice));
  }

  /** It is over: how it stands is looked at while it is there. */
  #ends(cause: string, closeCode: number): void {
    const unacknowledged = this.#session?.unacknowledged() ?? { records: 0, bytes: 0 };
    const { heardAt } = this.#liveness;
    const stands = { now: this.#now(), heardAt, bufferedBytes: this.#buffered(), unacknowledged };
    this.facts.ends(cause, closeCode, stands);
  }

  #release(asked: string): void {
    const cause = this.facts.causeOr(asked);
    this.#closed = true;
    const session = this.#session;
    const attachment = this.#attachment;
    this.#session = undefined;
    this.#attachment = undefined;
    if (attachment !== undefined) this.#services.features.detached(attachment, cause);
    if (session === undefined || session.peer !== this) return;
    this.#parts.sessions.guard(session, () => this.#parts.sessions.detach(session, cause));
  }

  #now(): EpochMs {
    return this.#services.ports.clock.now();
  }
}
