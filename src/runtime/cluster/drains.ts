/**
 * The drain of this node that is under way, or was the last one: one at a time.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Ports } from "../ports.ts";
import { Drain, type DrainClient, type DrainRequest, type DrainView } from "./drain.ts";
import type { DrainTarget } from "./drain-plan.ts";
import type { Membership } from "./membership.ts";
import { Tickets } from "./ticket.ts";

export type DrainsParts = {
  readonly ports: Ports;
  readonly cluster: Membership;
  clients(): Iterable<DrainClient>;
  /** At each target, of all nodes that drain together. */
  connectionsPerSecondMax(): number;
};

export class Drains {
  readonly #parts: DrainsParts;
  readonly #tickets: Tickets;
  #drain: Drain | undefined;

  constructor(parts: DrainsParts) {
    this.#parts = parts;
    const { clock, random, log } = parts.ports;
    this.#tickets = new Tickets({ clock, random, keyValue: log.keyValue, node: parts.cluster.self.node });
  }

  /** Everybody is asked to go, and nobody new is taken. */
  get whole(): boolean {
    return this.#drain?.whole ?? false;
  }
  view(): DrainView | undefined {
    return this.#drain?.view();
  }

  /** Nodes that clients can be sent to: those of `to`, or all. */
  targets(to?: readonly string[]): readonly DrainTarget[] {
    const { self } = this.#parts.cluster;
    return this.#parts.cluster
      .members()
      .filter(({ node, status, compatible }) => node !== self.node && status === "healthy" && compatible)
      .filter(({ node }) => to === undefined || to.includes(node))
      .map(({ node, url, weight, load }) => ({ node, url, weight, connections: load.connections }));
  }

  begin(request: DrainRequest): void {
    const { ports, cluster, clients, connectionsPerSecondMax } = this.#parts;
    const { clock, random, logger } = ports;
    this.#drain?.stop();
    logger.log("info", "clients are sent elsewhere", request);
    this.#drain = new Drain(
      {
        ...{ clock, random, logger, clients },
        targets: () => this.targets(request.to),
        perSecondMax: () => {
          const together = cluster.members().filter(({ status }) => status === "draining").length;
          return Math.max(1, connectionsPerSecondMax() / Math.max(1, together));
        },
        ticket: ({ node, url, session, at }: { node: string; url: string; session: string; at: EpochMs }) =>
          this.#tickets.issue({ node, url, session, notBefore: at }),
      },
      request,
    );
  }

  /** Who has a slot already goes. */
  callOff(): void {
    this.#drain?.stop();
    this.#drain = undefined;
  }

  /** Resolves when everybody has gone who is to go, or the time is over. */
  async ended(timeoutMs: number): Promise<void> {
    if (this.#drain === undefined) return;
    const late = Promise.withResolvers<void>();
    const timer = this.#parts.ports.clock.after(timeoutMs, late.resolve);
    await Promise.race([this.#drain.ended, late.promise]);
    timer.cancel();
  }
}
