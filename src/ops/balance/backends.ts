/**
 * Decides which backend gets a connection: asks the balancer (src/actors/balancer) with what is known of each, and learns
 * from what came of it. Remembers the last decisions and why they were made.
 * @module
 */
import { type Checked, evolveHealth, type HealthOptions } from "../../actors/balancer/active-health.ts";
import { type Algorithm, type Balancer, createBalancer } from "../../actors/balancer/balancer.ts";
import type { Candidate } from "../../actors/balancer/candidate.ts";
import { type EjectionOptions, Ejections } from "../../actors/balancer/ejection.ts";
import { type Decision, whyText } from "../../actors/balancer/why.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock, Logger, Random, Timer } from "../../runtime/ports.ts";
import { Backend, type BackendSpec, backendId, type ReportedLoad } from "./backend.ts";
import { cookieOf } from "./stickiness.ts";

export type BackendsOptions = {
  readonly specs: readonly BackendSpec[];
  readonly algorithm: Algorithm;
  /** Keys are remembered, for algorithms that do not go by them. */
  readonly remembersKeys: boolean;
  readonly slowStartMs: number;
  readonly health: HealthOptions;
  readonly ejection: Partial<EjectionOptions>;
};
export type BackendsPorts = { readonly clock: Clock; readonly random: Random; readonly logger: Logger };

export type Choice = { readonly backend: Backend; readonly why: string };
export type Wanted = {
  readonly key?: string | undefined;
  /** The cookie that names one. */
  readonly named?: string | undefined;
  /** Those that were tried in vain. */
  readonly except: ReadonlySet<string>;
};
export type DecisionMade = { readonly at: EpochMs; readonly backend: string; readonly why: string };
/** One of a gateway's nodes. */
export type DiscoveredNode = {
  readonly name: string;
  readonly spec: BackendSpec;
  /** It is about to come or to go. */
  readonly leaving: boolean;
  readonly load: ReportedLoad;
};

/** Decisions that can be looked at afterwards. */
const decisionsKeptMax = 200;
const stickyKeysMax = 65_536;
/** The balancer hears of slow start, response times and the end of ejections this often; of the rest at once. */
const refreshMs = 1_000;

export class Backends {
  readonly decisions: DecisionMade[] = [];
  readonly #ports: BackendsPorts;
  readonly #options: BackendsOptions;
  readonly #balancer: Balancer;
  readonly #ejections: Ejections;
  readonly #all = new Map<string, Backend>();
  #timer: Timer | undefined;

  constructor(options: BackendsOptions, ports: BackendsPorts) {
    this.#options = options;
    this.#ports = ports;
    const { algorithm, slowStartMs, remembersKeys } = options;
    this.#balancer = createBalancer(algorithm, { slowStartMs, stickyKeysMax: remembersKeys ? stickyKeysMax : 0 });
    this.#ejections = new Ejections(options.ejection);
    for (const spec of options.specs) this.#add(new Backend(spec, "static"));
    this.#refresh();
  }

  start(): void {
    this.#timer = this.#ports.clock.after(refreshMs, () => {
      this.#refresh();
      this.start();
    });
  }
  stop(): void {
    this.#timer?.cancel();
  }

  all(): readonly Backend[] {
    return [...this.#all.values()];
  }
  byId(id: string): Backend | undefined {
    return this.#all.get(id);
  }
  isEjected(backend: Backend): boolean {
    return this.#ejections.isEjected(backend.id, this.#ports.clock.now());
  }
  /** How many can be chosen now. */
  get available(): number {
    return this.#balancer.size;
  }

  /** The chosen one has one connection more, until `released`. */
  choose({ key, named, except }: Wanted): Choice | undefined {
    const decision = this.#cookies(named, except) ?? this.#picked(key, except);
    const backend = decision === undefined ? undefined : this.#all.get(decision.id);
    if (decision === undefined || backend === undefined) return undefined;
    backend.connections++;
    const why = whyText(decision);
    this.decisions.push({ at: this.#ports.clock.now(), backend: backend.id, why });
    if (this.decisions.length > decisionsKeptMax) this.decisions.shift();
    return { backend, why };
  }

  released(backend: Backend): void {
    backend.connections--;
    this.#balancer.adjust(backend.id, -1);
  }

  answered(backend: Backend, ms: number): void {
    backend.opened++;
    backend.responses.observe(ms, this.#ports.clock.now());
    this.#ejections.succeeded(backend.id);
  }

  /** It did not do what it was asked: counted against it. */
  failed(backend: Backend, cause: string): void {
    backend.failures++;
    const verdict = this.#ejections.failed(backend.id, { at: this.#ports.clock.now(), of: this.#all.size });
    if (verdict !== "ejected") return;
    this.#ports.logger.log("warn", "backend ejected", { backend: backend.id, cause });
    this.#refresh();
  }

  checked(backend: Backend, result: Pick<Checked, "ok"> & { readonly detail: string }): void {
    const { clock, random, logger } = this.#ports;
    const at = clock.now();
    const before = backend.health.status;
    backend.health = evolveHealth(backend.health, { ok: result.ok, at, chance: random.next() }, this.#options.health);
    const { status } = backend.health;
    if (status === before) return;
    if (before === "unhealthy") backend.startedAt = at;
    const level = status === "healthy" ? "info" : "warn";
    logger.log(level, `backend ${status}`, { backend: backend.id, detail: result.detail });
    this.#refresh();
  }

  drain(backend: Backend, draining: boolean): void {
    if (backend.draining === draining) return;
    backend.draining = draining;
    this.#ports.logger.log("info", draining ? "backend draining" : "backend in use again", { backend: backend.id });
    this.#refresh();
  }

  /** Those of the gateways' list, all of them. One that has gone from it gets nothing new. */
  discovered(nodes: readonly DiscoveredNode[]): void {
    const named = new Map(nodes.map((node) => [backendId(node.spec), node]));
    for (const [id, node] of named) {
      const known = this.#all.get(id);
      if (known?.origin === "static") continue;
      const backend = known ?? this.#appeared(node);
      if (backend.leaving !== node.leaving)
        this.#ports.logger.log("info", node.leaving ? "backend leaving" : "backend taking clients", { backend: id });
      backend.spec = node.spec;
      backend.load = node.load;
      backend.leaving = node.leaving;
    }
    for (const backend of this.#all.values()) {
      if (backend.origin === "static" || named.has(backend.id)) continue;
      this.#all.delete(backend.id);
      this.#ports.logger.log("info", "backend left", { backend: backend.id, connections: backend.connections });
    }
    this.#ejections.retain(new Set(this.#all.keys()));
    this.#refresh();
  }

  #appeared(node: DiscoveredNode): Backend {
    const backend = new Backend(node.spec, "discovered");
    backend.node = node.name;
    backend.startedAt = this.#ports.clock.now();
    this.#ports.logger.log("info", "backend discovered", { backend: backend.id, node: node.name });
    this.#add(backend);
    return backend;
  }

  #add(backend: Backend): void {
    this.#all.set(backend.id, backend);
  }

  #cookies(named: string | undefined, except: ReadonlySet<string>): Decision | undefined {
    if (named === undefined) return undefined;
    for (const backend of this.#all.values()) {
      if (cookieOf(backend.id) !== named) continue;
      if (!backend.isHealthy || except.has(backend.id) || this.isEjected(backend)) return undefined;
      this.#balancer.adjust(backend.id, 1);
      return { id: backend.id, why: { rule: "sticky" } };
    }
    return undefined;
  }

  #picked(key: string | undefined, except: ReadonlySet<string>): Decision | undefined {
    return this.#balancer.pick({ chance: this.#ports.random.next(), except, ...(key === undefined ? {} : { key }) });
  }

  #refresh(): void {
    const now = this.#ports.clock.now();
    const candidates = this.all().map((backend): Candidate => {
      const { id, spec, connections, isHealthy: healthy, startedAt, load } = backend;
      const responseMs = backend.responses.value;
      return {
        ...{ id, weight: spec.weight, tier: spec.tier, connections, healthy },
        ejected: this.#ejections.isEjected(id, now),
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(responseMs === undefined ? {} : { responseMs }),
        ...(load === undefined ? {} : { cpu: load.cpu }),
      };
    });
    this.#balancer.update(candidates, now);
  }
}
