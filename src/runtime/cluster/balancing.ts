/**
 * Balancing of one node: put together from its ports, its view of the cluster and its sessions.
 * @module
 */
import type { Location } from "../../actors/balancer/candidate.ts";
import { type Decision, whyText } from "../../actors/balancer/why.ts";
import type { GatewayConfig } from "../gateway-config.ts";
import type { Counters } from "../metrics.ts";
import type { Ports } from "../ports.ts";
import { lastNodeOf } from "../session/load-state.ts";
import { type Asker, Assigner, type BalancingOptions, type DecisionView } from "./assigner.ts";
import type { Membership } from "./membership.ts";
import { type Arrival, type Directed, Redirect } from "./redirect.ts";
import { Tickets } from "./ticket.ts";

export type BalancingParts = {
  readonly ports: Ports;
  readonly node: string;
  readonly cluster: Membership;
  readonly counters: Counters;
  readonly options: BalancingOptions;
  readonly locate?: (address: string) => Location | undefined;
  /** Whether the session is in this node's memory. */
  holds(session: string): boolean;
  /** What its journal says: the node that had it last, while it is not over. */
  lastNodeOf(session: string): Promise<string | undefined>;
};

export type Assigned = {
  readonly node: string;
  readonly url: string;
  /** For HELLO there. */
  readonly ticket: string;
  readonly why: Decision["why"];
  readonly text: string;
};

type OfGateway = Pick<BalancingParts, "ports" | "node" | "cluster" | "counters"> & {
  /** Of the sessions in memory. */
  held(session: string): unknown;
};

/** Of a gateway, from its configuration. */
export function balancingOf(
  { balancing, locate }: Required<Pick<GatewayConfig, "balancing">> & Pick<GatewayConfig, "locate">,
  { held, ...parts }: OfGateway,
): Balancing {
  const { log } = parts.ports;
  const sessions = {
    holds: (session: string) => held(session) !== undefined,
    lastNodeOf: (session: string) => lastNodeOf(log, session),
  };
  return new Balancing({ ...parts, ...sessions, options: balancing, ...(locate === undefined ? {} : { locate }) });
}

export class Balancing {
  readonly tickets: Tickets;
  readonly #parts: BalancingParts;
  readonly #assigner: Assigner;
  readonly #redirect: Redirect;

  constructor(parts: BalancingParts) {
    this.#parts = parts;
    const { ports, node, cluster, counters, options, locate, holds, lastNodeOf } = parts;
    const { clock, random, logger, log } = ports;
    this.tickets = new Tickets({ clock, random, keyValue: log.keyValue, node });
    this.#assigner = new Assigner(
      {
        ...{ clock, random, membership: cluster },
        ownerOf: async (session) => (holds(session) ? node : lastNodeOf(session)),
        noted: (way) => counters.noteDecision(way),
        ...(locate === undefined ? {} : { locate }),
      },
      options,
    );
    this.#redirect = new Redirect({
      ...{ clock, logger, assigner: this.#assigner, tickets: this.tickets, holds },
      counted: (outcome) => counters.noteTicket(outcome),
    });
  }

  configure(options: BalancingOptions): void {
    this.#assigner.configure(options);
  }

  /** In the handshake: whether the client is served here. */
  direct(arrival: Arrival): Promise<Directed> {
    return this.#redirect.direct(arrival);
  }

  /** Before a client connects. Undefined: no node takes clients. Rejects while what holds the log is away. */
  async assign(asker: Asker): Promise<Assigned | undefined> {
    const assignment = await this.#assigner.choose(asker);
    if (assignment === undefined) return undefined;
    const { member, decision } = assignment;
    const { node, url } = member;
    const { session } = asker;
    const ticket = await this.tickets.issue({ node, url, ...(session === undefined ? {} : { session }) });
    this.#parts.counters.noteTicket("issued");
    this.#assigner.noted("assign", asker, decision);
    return { node, url, ticket, why: decision.why, text: whyText(decision) };
  }

  decisions(): readonly DecisionView[] {
    return this.#assigner.decisions();
  }
}
