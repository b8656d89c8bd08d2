/**
 * Tickets: a node's word to a client that another node expects it, and when. Signed with a key that the cluster shares, so
 * that the other node knows without asking; short-lived, good for one node alone.
 *
 * A ticket lets nobody in: who a client is its token says. It only ends the question of where.
 *
 * JWS (RFC 7515) with HS256: `aud` the node, `url` its address, `sub` the session, `nbf` the earliest time, `exp`.
 * @module
 */
import { errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { EpochMs } from "../../protocol/ids.ts";
import { type KeyValue, UnavailableError } from "../log/event-log.ts";
import type { Clock, Random } from "../ports.ts";

export type TicketClaims = {
  /** Whom it is for. */
  readonly node: string;
  /** Where that is. */
  readonly url: string;
  /** Whom it was given to, where the client had a session. */
  readonly session?: string;
  /** Its slot: not before. Absent: at once. */
  readonly notBefore?: EpochMs;
};

/** invalid: nobody here signed it, or it is none. */
export type TicketCheck =
  | { readonly ok: true; readonly claims: TicketClaims }
  | { readonly ok: false; readonly cause: "expired" | "invalid"; readonly message: string }
  /** early: its slot has not come · elsewhere: it is for another node. */
  | { readonly ok: false; readonly cause: "elsewhere"; readonly message: string; readonly claims: TicketClaims }
  | {
      readonly ok: false;
      readonly cause: "early";
      readonly message: string;
      readonly claims: TicketClaims & Required<Pick<TicketClaims, "notBefore">>;
    };

export type TicketParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly keyValue: KeyValue;
  /** This node. */
  readonly node: string;
};

/** From its slot on. */
export const ticketMs = 60_000;
/** So far clocks of two nodes may be apart without a client being told to come again. */
const clocksApartMs = 1_000;
export const ticketCharsMax = 2_048;

const keyName = "cluster/ticket-key";
const keyBytes = 32;
const algorithm = "HS256";
const type = "weir-ticket+jwt";
const encoder = new TextEncoder();

export class Tickets {
  readonly #parts: TicketParts;
  #key: Promise<Uint8Array> | undefined;

  constructor(parts: TicketParts) {
    this.#parts = parts;
  }

  /** Rejects when the key cannot be had, because what holds the log is away. */
  async issue({ node, url, session, notBefore }: TicketClaims): Promise<string> {
    const slot = Math.max(this.#parts.clock.now(), notBefore ?? 0);
    const claims = { url, ...(notBefore === undefined ? {} : { nbf: slot / 1_000 }) };
    const ticket = new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: type })
      .setAudience(node)
      .setExpirationTime((slot + ticketMs) / 1_000);
    if (session !== undefined) ticket.setSubject(session);
    return ticket.sign(await this.#shared());
  }

  /** Rejects as `issue` does. */
  async check(ticket: string): Promise<TicketCheck> {
    if (ticket.length > ticketCharsMax)
      return refused("invalid", `Ticket has ${ticket.length} characters, at most ${ticketCharsMax} are allowed`);
    const key = await this.#shared();
    try {
      const currentDate = new Date(this.#parts.clock.now());
      const { payload } = await jwtVerify(ticket, key, {
        algorithms: [algorithm],
        typ: type,
        currentDate,
        clockTolerance: clocksApartMs / 1_000,
      });
      return this.#checked(payload);
    } catch (error) {
      return this.#refusal(error);
    }
  }

  #checked(payload: JWTPayload): TicketCheck {
    const claims = claimsOf(payload);
    if (claims.node === this.#parts.node) return { ok: true, claims };
    const message = `Ticket is for node ${claims.node}, this is node ${this.#parts.node}`;
    return { ok: false, cause: "elsewhere", message, claims };
  }

  #refusal(error: unknown): TicketCheck {
    if (error instanceof errors.JWTExpired) return refused("expired", "Ticket has expired, come without one");
    if (error instanceof errors.JWTClaimValidationFailed && error.claim === "nbf") {
      const claims = claimsOf(error.payload);
      const { notBefore = this.#parts.clock.now() } = claims;
      const message = `The slot of this ticket comes in ${notBefore - this.#parts.clock.now()} ms`;
      return { ok: false, cause: "early", message, claims: { ...claims, notBefore } };
    }
    if (error instanceof errors.JOSEError) return refused("invalid", `Ticket does not hold: ${error.message}`);
    throw error;
  }

  /** Asked for once; again, when that failed. */
  #shared(): Promise<Uint8Array> {
    this.#key ??= this.#sharedKey().catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return this.#key;
  }

  /** The first node of a cluster makes it, whoever is later takes that one. */
  async #sharedKey(): Promise<Uint8Array> {
    const { keyValue, random } = this.#parts;
    for (;;) {
      const held = await keyValue.get(keyName);
      if (held !== undefined) return held.value;
      const made = encoder.encode(random.token(keyBytes));
      const put = await keyValue.put(keyName, made, { expected: 0 });
      if (put.ok) return made;
      if (put.code !== "conflict") throw new UnavailableError(`The key of tickets cannot be had: ${put.message}`);
    }
  }
}

/** Of a ticket whose signature holds: what `issue` wrote. */
function claimsOf({ aud, sub, nbf, url }: JWTPayload): TicketClaims {
  return {
    ...{ node: String(aud), url: String(url) },
    ...(sub === undefined ? {} : { session: sub }),
    ...(nbf === undefined ? {} : { notBefore: Math.round(nbf * 1_000) }),
  };
}

function refused(cause: "expired" | "invalid", message: string): TicketCheck {
  return { ok: false, cause, message };
}
