/**
 * What a node answers to who watches it: whether it runs, whether it takes clients, and its metrics.
 * @module
 */
import type { Membership } from "./cluster/membership.ts";
import { exposition } from "./exposition.ts";
import type { HttpOptions } from "./http.ts";
import type { Inflow } from "./inflow.ts";
import type { NodeView } from "./inspection.ts";
import type { Counters } from "./metrics.ts";
import type { PoolView } from "./pool/pool-view.ts";
import type { Ports } from "./ports.ts";
import type { PresenceFigures } from "./presence/presence.ts";
import { version } from "./version.ts";

export type HealthSources = {
  readonly ports: Ports;
  readonly counters: Counters;
  readonly inflow: Inflow;
  readonly cluster: Membership;
  readonly presence: { readonly figures: PresenceFigures };
  readonly startedAt: number;
  sessions(): number;
  pools(): readonly PoolView[];
  state(): NodeView["state"];
  /** As many handshakes are under way as may be. */
  full(): boolean;
};

/** After a refused append, clients had better go elsewhere for so long. */
const notReadyMs = 5_000;

export function nodeHealth(sources: HealthSources): Pick<HttpOptions, "health" | "ready" | "metrics"> {
  const { ports, counters, cluster, startedAt, sessions, state, pools } = sources;
  const { clock, log, probe } = ports;
  return {
    health: () => ({
      status: state() === "stopping" ? "stopping" : "ok",
      version,
      uptimeMs: clock.now() - startedAt,
      websocket: { connections: counters.connections, sessions: sessions() },
      log: log.info(),
    }),
    ready: () => readiness(sources),
    metrics: exposition({
      ...{ counters, process: probe, version, sessions, pools },
      log: () => log.info(),
      members: () => cluster.members(),
      presence: () => sources.presence.figures,
    }),
  };
}

function readiness({ ports, inflow, cluster, state, full }: HealthSources) {
  const reasons: string[] = state() === "running" ? [] : [state()];
  if (!cluster.serves) reasons.push("leaseLost");
  if (full()) reasons.push("tooManyHandshakes");
  const { clock, log } = ports;
  const { refusedAt } = inflow;
  const refusedSince = clock.now() - refusedAt < notReadyMs ? refusedAt : undefined;
  const since = log.info().awaySince ?? refusedSince;
  if (since === undefined) return { reasons };
  return { reasons: [...reasons, "logUnavailable"], logUnavailableSince: new Date(since).toISOString() };
}
