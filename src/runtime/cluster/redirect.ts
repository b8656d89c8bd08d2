/**
 * Decides in the handshake, before the session opens, whether a client is served where it came or sent to another node.
 *
 * Owns: a ticket for this node is honoured, so nobody is sent to and fro; a client that does not go where it was sent is
 * served when it comes again; whatever fails here (the log is away, no ticket can be signed), the client is served.
 * @module
 */
import type { Hello } from "../../protocol/frame.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock, Identity, Logger } from "../ports.ts";
import type { Asker, Assigner, Assignment } from "./assigner.ts";
import { SentAway } from "./sent-away.ts";
import type { TicketCheck, Tickets } from "./ticket.ts";

export type Arrival = {
  readonly hello: Hello;
  readonly identity: Identity;
  readonly remoteAddress: string;
  /** It can be sent elsewhere: it would not understand otherwise. */
  readonly takesTickets: boolean;
};

export type Destination = {
  readonly url: string;
  readonly ticket: string;
  /** Not before. */
  readonly at: EpochMs;
};

export type Directed =
  | { readonly to: "here" /** Its ticket is not honoured. */; readonly refused?: string }
  | { readonly to: "elsewhere"; readonly destination: Destination };

export type RedirectParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly assigner: Assigner;
  readonly tickets: Tickets;
  /** Whether it is in this node's memory. */
  holds(session: string): boolean;
  counted(outcome: TicketOutcome): void;
};

export type TicketOutcome = "honoured" | "issued" | Extract<TicketCheck, { ok: false }>["cause"];

/** Tickets that a client came back with, remembered so that each counts once against the node that it is for. */
const returnedMax = 1_024;

export class Redirect {
  readonly #parts: RedirectParts;
  readonly #sentAway = new SentAway();
  readonly #returned = new Set<string>();

  constructor(parts: RedirectParts) {
    this.#parts = parts;
  }

  async direct(arrival: Arrival): Promise<Directed> {
    try {
      return await this.#direct(arrival);
    } catch (error) {
      this.#parts.logger.log("warn", "client not directed, served here", { error: String(error) });
      return { to: "here" };
    }
  }

  async #direct(arrival: Arrival): Promise<Directed> {
    const { ticket } = arrival.hello;
    if (ticket === undefined) return this.#byRule(arrival);
    const check = await this.#parts.tickets.check(ticket);
    this.#parts.counted(check.ok ? "honoured" : check.cause);
    if (check.ok) return { to: "here" };
    if (check.cause === "early" && !arrival.takesTickets) return { to: "here" };
    if (check.cause === "early") {
      const { url, notBefore } = check.claims;
      return { to: "elsewhere", destination: { url, ticket, at: notBefore } };
    }
    const refused = check.message;
    if (check.cause === "elsewhere") {
      this.#cameBack(ticket, check.claims.node);
      return { to: "here", refused };
    }
    const directed = await this.#byRule(arrival);
    return directed.to === "here" ? { ...directed, refused } : directed;
  }

  async #byRule({ hello, identity, remoteAddress, takesTickets }: Arrival): Promise<Directed> {
    const { assigner, clock, holds } = this.#parts;
    const { session } = hello;
    if (!assigner.options.redirect || !takesTickets) return { to: "here" };
    if (session !== undefined && holds(session)) return { to: "here" };
    const client = session ?? `${remoteAddress} ${identity.subject}`;
    if (this.#sentAway.comesAgain(client, clock.now())) return { to: "here" };
    const asker: Asker = {
      ...{ subject: identity.subject, address: remoteAddress },
      ...(session === undefined ? {} : { session }),
    };
    const assignment = await assigner.choose(asker);
    if (assignment === undefined) return { to: "here" };
    const isBetter = assigner.isBetter(assignment, asker);
    assigner.noted(isBetter ? "redirect" : "stay", asker, assignment.decision);
    if (!isBetter) {
      assigner.stays(assignment);
      return { to: "here" };
    }
    const destination = await this.#destination(assignment, session);
    this.#sentAway.sent(client, clock.now());
    return { to: "elsewhere", destination };
  }

  async #destination({ member }: Assignment, session: string | undefined): Promise<Destination> {
    const { node, url } = member;
    const ticket = await this.#parts.tickets.issue({ node, url, ...(session === undefined ? {} : { session }) });
    this.#parts.counted("issued");
    return { url, ticket, at: this.#parts.clock.now() };
  }

  /** It was sent there, and is here: it could not get in. */
  #cameBack(ticket: string, node: string): void {
    if (this.#returned.has(ticket)) return;
    this.#returned.add(ticket);
    const oldest = this.#returned.values().next();
    if (this.#returned.size > returnedMax && oldest.done !== true) this.#returned.delete(oldest.value);
    this.#parts.assigner.failed(node);
  }
}
