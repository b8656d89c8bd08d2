/**
 * What the proxy counts, plain fields on the paths that every connection takes; and the same as Prometheus reads it.
 * @module
 */
import { Counter, Gauge, Registry } from "prom-client";
import type { Backends } from "./backends.ts";
import type { ProblemCause } from "./proxy-problem.ts";
import type { Passage, TunnelEnd } from "./tunnel.ts";

export class BalanceMetrics {
  connections = 0;
  accepted = 0;
  requests = 0;
  tunnels = 0;
  tunnelsOpened = 0;
  retries = 0;
  reused = 0;
  readonly bytes: Passage = { toBackend: 0, toClient: 0 };
  readonly refusals = new Map<ProblemCause, number>();
  readonly tunnelEnds = new Map<TunnelEnd, number>();

  view() {
    const { connections, tunnels, requests } = this;
    return { connections, tunnels, requests };
  }
  refused(cause: ProblemCause): void {
    this.refusals.set(cause, (this.refusals.get(cause) ?? 0) + 1);
  }
  tunnelEnded(how: TunnelEnd): void {
    this.tunnels--;
    this.tunnelEnds.set(how, (this.tunnelEnds.get(how) ?? 0) + 1);
  }
}

type Reading = readonly [name: string, help: string, read: () => number];

export type BalanceExposition = { readonly contentType: string; text(): Promise<string> };

export function balanceExposition(metrics: BalanceMetrics, backends: Backends): BalanceExposition {
  const registry = new Registry();
  const gauges: readonly Reading[] = [
    ["weir_balance_connections", "Open connections of clients", () => metrics.connections],
    ["weir_balance_tunnels", "Upgraded connections that are joined to a backend", () => metrics.tunnels],
    ["weir_balance_backends_available", "Backends that can be chosen", () => backends.available],
    ["process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss()],
  ];
  const totals: readonly Reading[] = [
    ["weir_balance_connections_total", "Connections of clients", () => metrics.accepted],
    ["weir_balance_requests_total", "Requests with a good head, upgrades included", () => metrics.requests],
    ["weir_balance_tunnels_total", "Upgrades that a backend agreed to", () => metrics.tunnelsOpened],
    ["weir_balance_retries_total", "Further backends tried for a request", () => metrics.retries],
    ["weir_balance_reused_total", "Requests on a connection to a backend that was there", () => metrics.reused],
    ["weir_balance_bytes_to_backends_total", "Bytes through tunnels and bodies", () => metrics.bytes.toBackend],
    ["weir_balance_bytes_to_clients_total", "Bytes through tunnels and bodies", () => metrics.bytes.toClient],
    ["process_cpu_seconds_total", "User and system CPU time", cpuSeconds],
  ];
  for (const [name, help, read] of gauges) {
    const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
  }
  for (const [name, help, read] of totals) {
    const collect = (): void => {
      counter.reset();
      counter.inc(read());
    };
    const counter: Counter = new Counter({ name, help, registers: [registry], collect });
  }
  byName(
    registry,
    "weir_balance_refused_total",
    "Requests answered by the proxy itself, by cause",
    () => metrics.refusals,
  );
  byName(registry, "weir_balance_tunnels_ended_total", "Tunnels that ended, by how", () => metrics.tunnelEnds);
  perBackend(registry, backends);
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

function byName(registry: Registry, name: string, help: string, read: () => ReadonlyMap<string, number>): void {
  const collect = (): void => {
    counter.reset();
    for (const [cause, count] of read()) counter.inc({ cause }, count);
  };
  const counter: Counter = new Counter({ name, help, labelNames: ["cause"], registers: [registry], collect });
}

/** A backend that has left is not shown any more; gauges all, so that its numbers may go with it. */
function perBackend(registry: Registry, backends: Backends): void {
  const readings = [
    ["weir_balance_backend_connections", "Tunnels and requests of a backend", "connections"],
    ["weir_balance_backend_opened", "Answers and upgrades of a backend since it is known", "opened"],
    ["weir_balance_backend_failures", "Failures of a backend since it is known", "failures"],
  ] as const;
  for (const [name, help, field] of readings) {
    const collect = (): void => {
      gauge.reset();
      for (const backend of backends.all()) gauge.set({ backend: backend.id }, backend[field]);
    };
    const gauge: Gauge = new Gauge({ name, help, labelNames: ["backend"], registers: [registry], collect });
  }
  const collect = (): void => {
    up.reset();
    for (const backend of backends.all())
      up.set({ backend: backend.id }, backend.isHealthy && !backends.isEjected(backend) ? 1 : 0);
  };
  const up: Gauge = new Gauge({
    name: "weir_balance_backend_up",
    help: "1: it may get new connections",
    labelNames: ["backend"],
    registers: [registry],
    collect,
  });
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}
