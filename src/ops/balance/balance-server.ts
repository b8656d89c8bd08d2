/**
 * The proxy: listens, takes connections up to its bound, checks its backends, and stops in order. Everything of it is put
 * together here.
 * @module
 */
import type { Clock, Logger, Random } from "../../runtime/ports.ts";
import { BackendLink } from "./backend-link.ts";
import { Backends, type BackendsOptions } from "./backends.ts";
import type { BalanceContext } from "./balance-context.ts";
import type { BalanceLimits } from "./balance-limits.ts";
import { BalanceMetrics } from "./balance-metrics.ts";
import type { ByteListener, ByteSocket, Certificate, SocketHost } from "./byte-socket.ts";
import { ClientConnection } from "./client-connection.ts";
import { type HealthCheck, HealthChecks } from "./health-checks.ts";
import { IdleSweep } from "./idle-sweep.ts";
import { NodeDiscovery, type NodeDiscoveryOptions } from "./node-discovery.ts";
import type { Stickiness } from "./stickiness.ts";
import { TrustedProxies } from "./trusted-proxies.ts";
import type { Tunnel } from "./tunnel.ts";

export type BalancePorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly sockets: SocketHost;
};
export type BalanceOptions = BackendsOptions & {
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: Certificate | undefined;
  /** PEM, for backends over TLS; undefined: whom the machine trusts. */
  readonly backendCa: string | undefined;
  readonly stickiness: Stickiness;
  /** Addresses and networks of proxies before this one. */
  readonly trustedProxies: readonly string[];
  readonly check: HealthCheck;
  readonly checkTimeoutMs: number;
  /** Undefined: backends are those of `specs` alone. */
  readonly discovery: NodeDiscoveryOptions | undefined;
  readonly limits: BalanceLimits;
};

const viaTokenBytes = 6;

export class BalanceServer {
  readonly backends: Backends;
  readonly metrics = new BalanceMetrics();
  readonly #options: BalanceOptions;
  readonly #ports: BalancePorts;
  readonly #context: BalanceContext;
  readonly #checks: HealthChecks;
  readonly #discovery: NodeDiscovery | undefined;
  readonly #clients = new Set<ClientConnection>();
  #listener: ByteListener | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: BalanceOptions, ports: BalancePorts) {
    const { limits, backendCa: ca, stickiness, trustedProxies, check, checkTimeoutMs } = options;
    const { clock, logger, random, sockets } = ports;
    this.#options = options;
    this.#ports = ports;
    this.backends = new Backends(options, ports);
    const { discovery } = options;
    this.#discovery = discovery === undefined ? undefined : new NodeDiscovery(discovery, this.backends, ports);
    const link = new BackendLink({ sockets, clock, limits, ca });
    this.#checks = new HealthChecks({ backends: this.backends, link, check, timeoutMs: checkTimeoutMs }, clock);
    this.#context = {
      ...{ clock, logger, limits, link, stickiness },
      backends: this.backends,
      sweep: new IdleSweep(clock, limits.idleMs),
      metrics: this.metrics,
      trusted: new TrustedProxies(trustedProxies),
      via: `weir-${random.token(viaTokenBytes)}`,
      tunnels: new Set<Tunnel>(),
    };
  }

  get isStopping(): boolean {
    return this.#listener === undefined;
  }
  get tunnels(): ReadonlySet<Tunnel> {
    return this.#context.tunnels;
  }
  get idleBackendConnections(): number {
    return this.#context.link.idleConnections;
  }

  /** Listens when backends were looked for and each was checked once. Answers the port. */
  async start(): Promise<number> {
    const { hostname, port, tls, limits } = this.#options;
    const { headMs: handshakeMs, connectionsMax: handshakesMax } = limits;
    const options = { hostname, port, handshakeMs, handshakesMax, ...(tls === undefined ? {} : { tls }) };
    await this.#discovery?.start();
    await this.#checks.start();
    this.backends.start();
    try {
      this.#listener = await this.#ports.sockets.listen(options, (socket) => this.#accept(socket));
      return this.#listener.port;
    } catch (error) {
      this.#rest();
      throw error;
    }
  }

  /** No new connections; requests that are under way and tunnels have so long to end, then they are ended. */
  async stop(timeoutMs: number): Promise<void> {
    this.#listener?.stop();
    this.#listener = undefined;
    for (const client of this.#clients) client.stop();
    await this.#empty(timeoutMs);
    for (const tunnel of this.#context.tunnels) tunnel.cut("stopped");
    for (const client of this.#clients) client.destroy();
    this.#rest();
  }

  /** Nothing is asked or awaited any more. */
  #rest(): void {
    this.#discovery?.stop();
    this.#checks.stop();
    this.backends.stop();
    this.#context.sweep.stop();
    this.#context.link.stop();
  }

  #empty(timeoutMs: number): Promise<void> {
    if (this.#clients.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#ports.clock.after(timeoutMs, resolve);
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #accept(socket: ByteSocket): void {
    const { limits, tls } = this.#options;
    const { metrics } = this;
    metrics.accepted++;
    // Those that are refused are open for a moment too: as many again, beyond that nobody is told.
    if (metrics.connections >= 2 * limits.connectionsMax) return socket.destroy();
    const isTooMany = metrics.connections >= limits.connectionsMax;
    metrics.connections++;
    const onClosed = (): void => {
      metrics.connections--;
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#onEmpty?.();
    };
    const client = new ClientConnection(this.#context, socket, { secure: tls !== undefined, onClosed });
    this.#clients.add(client);
    if (isTooMany)
      void client.refuse({
        cause: "tooManyConnections",
        detail: `${limits.connectionsMax} connections are open, more are not taken`,
      });
    else void client.serve();
  }
}
