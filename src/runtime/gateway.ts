/**
 * Composition root of one gateway node: built from ports, it listens, runs the actor tree, and stops in order.
 * @module
 */
import { connectionMachine } from "../actors/connection/machine.ts";
import type { ConnectionEffect } from "../actors/effect.ts";
import { codecs } from "../protocol/codecs.ts";
import type { SessionId } from "../protocol/ids.ts";
import { assertLimits, limits as defaultLimits, type Limits } from "../protocol/limits.ts";
import { chooseSubprotocol } from "../protocol/subprotocol.ts";
import { Admission } from "./admission.ts";
import { addressOf } from "./cluster/address.ts";
import { balancingOf } from "./cluster/balancing.ts";
import type { DrainRequest } from "./cluster/drain.ts";
import { Drains } from "./cluster/drains.ts";
import { membershipOf } from "./cluster/membership-of.ts";
import { NodeFacts } from "./cluster/node-facts.ts";
import type { NodeMembership } from "./cluster/node-membership.ts";
import { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { fanOut } from "./fan-out.ts";
import { Features } from "./features/features.ts";
import { offerFeatures } from "./features/offered.ts";
import {
  defaults,
  type Gateway,
  type GatewayConfig,
  type LiveGatewayConfig,
  type StopOptions,
} from "./gateway-config.ts";
import type { Refusal } from "./handshake.ts";
import { httpHandler } from "./http.ts";
import { Inflow } from "./inflow.ts";
import type { Control, Inspector, NodeView, Publication, PublicationResult } from "./inspection.ts";
import { NodeInspector } from "./inspector.ts";
import { changedLimits } from "./live-limits.ts";
import { Counters } from "./metrics.ts";
import { nodeHealth } from "./node-health.ts";
import { type InForce, NodeJournal } from "./node-journal.ts";
import { pause } from "./pause.ts";
import { PlainConnection, type PlainHost } from "./plain/connection.ts";
import { PlainAsk } from "./plain/upgrade.ts";
import type { PoolControl, Pools } from "./pool/pools.ts";
import type { Ports } from "./ports.ts";
import { Presence } from "./presence/presence.ts";
import { publish } from "./publication.ts";
import { Repeats } from "./repeats.ts";
import type { Services } from "./services.ts";
import { Sessions } from "./session/sessions.ts";
import { Standstill } from "./session/standstill.ts";
import { Supervisor } from "./supervisor.ts";
import { type Tail, type TailRequest, tail } from "./tail.ts";
import type { Listener, Socket, SocketHandler, UpgradeDecision, UpgradeRequest } from "./transport/transport.ts";
import { decideUpgrade } from "./upgrade.ts";
import { sweepEnded, trim } from "./upkeep.ts";

export type { Gateway, GatewayConfig, LiveGatewayConfig, StopOptions } from "./gateway-config.ts";

const actorOf = (connection: Connection) => `connection:${connection.id}`;
const sweepMs = 250;
const trimMs = 10_000;
const endedSweepMs = 3_600_000;
const stopStepMs = 20;
const tooManyHandshakes = { ok: false, reason: "overloaded", cause: "tooManyHandshakes" } as const;
export function createGateway(ports: Ports, config: GatewayConfig = {}): Gateway {
  return new GatewayNode(ports, config);
}

class GatewayNode implements Gateway, ConnectionHost, PlainHost, Control {
  readonly #ports: Ports;
  #config: GatewayConfig & typeof defaults;
  readonly #services: Services;
  readonly #supervisor: Supervisor;
  readonly #cluster: NodeMembership;
  readonly #presence: Presence;
  readonly #sessions: Sessions;
  readonly #pools: Pools;
  readonly #connections = new Map<string, Connection | PlainConnection>();
  readonly #inspector: Inspector;
  readonly #journal: NodeJournal;
  readonly #standstill: Standstill;
  readonly #admission: Admission;
  readonly #machine = connectionMachine.provide({
    actions: {
      "perform effect": ({ context }, effect: ConnectionEffect) => {
        const connection = this.#connections.get(context.id);
        if (connection instanceof Connection) connection.perform(effect);
      },
    },
  });
  readonly #startedAt: number;
  #listener: Listener | undefined;
  readonly #repeats: Repeats;
  /** Connections that have not finished their handshake. */
  readonly #handshaking = new Set<Connection | PlainConnection>();
  #numbers = 0;
  #stopping = false;
  readonly #drains: Drains;

  constructor(ports: Ports, config: GatewayConfig) {
    this.#ports = ports;
    this.#config = { ...defaults, ...config };
    const limits: Limits = { ...defaultLimits, ...config.limits };
    assertLimits(limits);
    this.#startedAt = ports.clock.now();
    this.#repeats = new Repeats(ports.clock);
    const counters = new Counters();
    const look = (): void => this.#standstill.look();
    const publish = (channel: string, data: Uint8Array | string): void => this.#listener?.publish(channel, data);
    const { recent } = this.#config;
    const { hub, delivered } = fanOut(ports, { counters, frame: limits, recent, look, publish });
    const inflow = new Inflow(this.#config.inflowBytesMax);
    const node = config.node ?? `node-${ports.random.token(6)}`;
    this.#supervisor = new Supervisor(ports.clock, ports.logger);
    const facts = new NodeFacts(ports.log, ports.clock);
    this.#cluster = membershipOf({
      ...{ ports, config, node, facts, counters },
      startedAt: this.#startedAt,
      supervisor: this.#supervisor,
      sessions: () => this.#sessions.size,
    });
    const features = new Features();
    const cluster = this.#cluster;
    const held = (session: string) => this.#sessions.held(session);
    const balancing = balancingOf(this.#config, { ports, node, cluster, counters, held });
    this.#services = { ports, limits, node, cluster, balancing, hub, inflow, counters, features, look, delivered };
    const { scalers } = config;
    this.#pools = offerFeatures(this.#services, { supervisor: this.#supervisor, scalers }).pools;
    this.#sessions = new Sessions(this.#services, this.#supervisor, this.#config);
    this.#standstill = new Standstill({
      clock: ports.clock,
      logger: ports.logger,
      shared: () => ports.log.info().shared,
      attached: () => this.#sessions.attached(),
      taken: (session) => void session.tellWhoHasIt().then(() => this.#sessions.lost(session)),
    });
    this.#drains = new Drains({
      ports,
      cluster: this.#cluster,
      clients: () => this.#connections.values(),
      connectionsPerSecondMax: () => this.#config.connectionsPerSecondMax,
    });
    this.#admission = new Admission(this.#config.admission, this.#startedAt);
    this.#presence = features.offer(new Presence(this.#services));
    this.#journal = new NodeJournal({ log: ports.log, clock: ports.clock, node, facts });
    this.#inspector = new NodeInspector({
      services: this.#services,
      sessions: this.#sessions,
      supervisor: this.#supervisor,
      connections: this.#connections,
      ...{ drains: this.#drains, presence: this.#presence },
      sessionsMax: () => this.#config.sessionsMax,
      startedAt: this.#startedAt,
      state: () => this.#state,
    });
  }

  get #limits(): Limits {
    return this.#services.limits;
  }

  configure(changes: LiveGatewayConfig): void {
    const { limits, ...others } = changes;
    if (limits !== undefined) this.#services.limits = changedLimits(this.#limits, limits);
    const trims = this.#config.retention !== undefined;
    this.#config = { ...this.#config, ...others };
    this.#sessions.configure(this.#config);
    if (changes.balancing !== undefined) this.#services.balancing.configure(changes.balancing);
    this.#services.inflow.bytesMax = this.#config.inflowBytesMax;
    this.#admission.rate = this.#config.admission;
    if (!trims && this.#config.retention !== undefined) this.#repeats.every(trimMs, () => this.#trim());
    this.#journal.configured(this.#inForce());
  }

  #inForce(): InForce {
    return { limits: this.#limits, retention: this.#config.retention ?? { ageMs: 0, bytes: 0, records: 0 } };
  }

  async start() {
    await this.#cluster.claim();
    try {
      return await this.#listen();
    } catch (error) {
      await this.#cluster.leave("could not start");
      throw error;
    }
  }

  async #listen() {
    const { transport, logger, log } = this.#ports;
    this.#services.hub.start();
    const { hostname = "127.0.0.1", port = 8080, tls, backpressureBytesMax = 4 * 1_048_576 } = this.#config;
    const http = httpHandler({
      ...this.#health(),
      ...(this.#config.http === undefined ? {} : { otherwise: this.#config.http(this) }),
    });
    // Twice a frame, so that a frame that is a little too large is answered in the protocol's words.
    const messageBytesMax = 2 * this.#limits.frameBytesMax;
    const services = this.#services;
    this.#listener = await transport.listen(
      {
        hostname,
        port,
        ...(tls === undefined ? {} : { tls }),
        messageBytesMax,
        backpressureBytesMax,
        // Whoever keeps to its credit never meets this; read for each socket that opens.
        get heldBytesMax() {
          return 2 * services.limits.publishCreditBytes;
        },
      },
      { upgrade: (request) => this.#upgrade(request), open: (socket) => this.#open(socket), http },
    );
    this.#repeats.every(sweepMs, () => this.#sweep());
    this.#repeats.every(endedSweepMs, () => this.#sweepEnded());
    if (this.#config.retention !== undefined) this.#repeats.every(trimMs, () => this.#trim());
    this.#sessions.restore();
    this.#pools.start();
    this.#journal.started(this.#inForce());
    this.#cluster.joined(addressOf(this.#config.discovery, this.#listener));
    const { hostname: at, port: on, secure } = this.#listener;
    const said = { hostname: at, port: on, secure, node: this.#services.node, tier: log.info().tier };
    logger.log("info", "gateway listens", said);
    return { hostname: at, port: on, secure };
  }

  async leave({ reason = "stopped", timeoutMs = 25_000 }: StopOptions = {}): Promise<void> {
    if (this.#stopping || this.#connections.size === 0 || this.#drains.targets().length === 0) return;
    this.drain({ reason });
    await this.#drains.ended(timeoutMs);
  }

  async stop({ reason = "stopped", timeoutMs = 10_000 }: StopOptions = {}): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const { clock, logger } = this.#ports;
    logger.log("info", "gateway stops", { reason, connections: this.#connections.size });
    this.#cluster.drains(reason);
    const until = clock.now() + timeoutMs;
    for (const connection of [...this.#connections.values()]) connection.end("goingAway", "goingAway");
    await this.#listener?.stop({ terminate: false });
    while (this.#connections.size > 0 && clock.now() < until) await pause(clock, stopStepMs);
    this.#repeats.stop();
    await this.#listener?.stop({ terminate: true });
    await this.#sessions.stop();
    await this.#services.features.stop();
    await this.#cluster.leave(reason);
    await this.#journal.stopped(reason);
    this.#services.hub.stop();
    this.#supervisor.stop();
  }

  #health() {
    const { counters, inflow, cluster } = this.#services;
    return nodeHealth({
      ...{ ports: this.#ports, counters, inflow, cluster, presence: this.#presence, startedAt: this.#startedAt },
      sessions: () => this.#sessions.size,
      pools: () => this.#pools.coordinated(),
      state: () => this.#state,
      full: () => this.#handshaking.size >= this.#limits.handshakesMax,
    });
  }

  get #state(): NodeView["state"] {
    return this.#stopping ? "stopping" : this.#drains.whole ? "draining" : "running";
  }

  // --- sockets ---

  #upgrade(request: UpgradeRequest): UpgradeDecision {
    const { origins = [], plainRoutes = [] } = this.#config;
    return decideUpgrade(request, {
      closed: this.#state === "running" ? undefined : this.#state,
      handshakes: this.#handshaking.size,
      limits: this.#limits,
      origins,
      plainRoutes,
    });
  }

  #open(socket: Socket): SocketHandler {
    const { context } = socket;
    if (context instanceof PlainAsk) return this.#openPlain(socket, context);
    const chosen = chooseSubprotocol([socket.subprotocol]);
    if (chosen === undefined) throw new TypeError(`Transport opened a socket with subprotocol "${socket.subprotocol}"`);
    const connection = new Connection({
      id: `${this.#services.node}/c${++this.#numbers}`,
      socket,
      codec: codecs[chosen.codec],
      services: this.#services,
      sessions: this.#sessions,
      host: this,
    });
    this.#opened(connection);
    const input = { id: connection.id, deadlines: connection.limits };
    const owner = {
      crashed: () => connection.crashed(),
      ids: () => ({ connection: connection.id, session: connection.view().session }),
    };
    connection.actor = this.#supervisor.spawn(this.#machine, { id: actorOf(connection), input, owner });
    return connection;
  }

  #openPlain(socket: Socket, ask: PlainAsk): SocketHandler {
    const number = ++this.#numbers;
    const connection = new PlainConnection({ number, socket, ask, services: this.#services, host: this });
    this.#opened(connection);
    return connection;
  }

  #opened(connection: Connection | PlainConnection): void {
    this.#connections.set(connection.id, connection);
    this.#handshaking.add(connection);
    this.#services.counters.connections++;
    this.#services.counters.connectionsOpened++;
  }

  guard(connection: Connection, work: () => void | Promise<void>): void {
    this.#supervisor.guard(actorOf(connection), work);
  }

  admit(inSlot: boolean): Refusal | undefined {
    const retryAfterMs = this.#admission.ask(this.#ports.clock.now(), inSlot);
    return retryAfterMs === 0 ? undefined : { ...tooManyHandshakes, retryAfterMs };
  }

  greeted(connection: Connection | PlainConnection): void {
    this.#handshaking.delete(connection);
  }

  gone(connection: Connection | PlainConnection): void {
    this.#connections.delete(connection.id);
    if (this.#handshaking.delete(connection)) this.#services.counters.handshakesFailed++;
    this.#services.counters.connections--;
    if (connection instanceof Connection) this.#supervisor.forget(actorOf(connection));
    const ended = connection.facts.ended(this.#ports.clock.now());
    if (ended !== undefined) this.#journal.ended(ended);
  }

  // --- time ---

  #sweep(): void {
    this.#standstill.look();
    this.#services.counters.subscriptionsBehind = this.#sessions.sweep(this.#ports.clock.now());
  }

  #sweepEnded(): void {
    const { journalKeepMs } = this.#config;
    sweepEnded(this.#services, { sessions: this.#sessions, journal: this.#journal, journalKeepMs });
  }

  #trim(): void {
    trim(this.#ports, this.#config.retention);
  }

  // --- what operators see and ask ---

  readonly assign: Control["assign"] = (asker) => this.#services.balancing.assign(asker);

  inspect(): Inspector {
    return this.#inspector;
  }

  control(): Control {
    return this;
  }

  pools(): PoolControl {
    return this.#pools;
  }

  tail(request: TailRequest): Tail {
    return tail({ hub: this.#services.hub, log: this.#ports.log }, request);
  }

  disconnect(id: string, cause: string): boolean {
    const connection = this.#connections.get(id);
    connection?.end("disconnected", cause);
    return connection !== undefined;
  }

  async expire(session: string): Promise<"ended" | "unknown"> {
    return (await this.#sessions.expire(session as SessionId)) ? "ended" : "unknown";
  }

  drain(request: DrainRequest): void {
    this.#drains.begin(request);
    if (this.#drains.whole) this.#cluster.drains(request.reason);
  }

  undrain(): void {
    this.#drains.callOff();
    this.#cluster.undrained();
    this.#ports.logger.log("info", "gateway takes clients again", {});
  }

  publish(publication: Publication): Promise<PublicationResult> {
    return publish(this.#services, publication);
  }
}
