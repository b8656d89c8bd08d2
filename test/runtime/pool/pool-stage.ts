/**
 * Pools of several nodes in one process: no sockets, a log in memory that says it is shared, a bus and a membership as in
 * production, and time that passes when told. Nodes die, or stand still and go on.
 * @module
 */
import { type PoolSettings, poolDefaults } from "../../../src/actors/pool/settings.ts";
import type { Work } from "../../../src/protocol/feature-frame.ts";
import type { Frame } from "../../../src/protocol/frame.ts";
import type { SessionId } from "../../../src/protocol/ids.ts";
import { limits } from "../../../src/protocol/limits.ts";
import type { Bus } from "../../../src/runtime/bus/bus.ts";
import { LocalHub, localBus } from "../../../src/runtime/bus/local.ts";
import { nodeProtocol } from "../../../src/runtime/cluster/beat.ts";
import { NodeFacts } from "../../../src/runtime/cluster/node-facts.ts";
import { NodeMembership } from "../../../src/runtime/cluster/node-membership.ts";
import type { Attachment } from "../../../src/runtime/features/feature.ts";
import { Features } from "../../../src/runtime/features/features.ts";
import { Hub } from "../../../src/runtime/hub.ts";
import type { EventLog } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { Counters, LatencyHistogram } from "../../../src/runtime/metrics.ts";
import { Pools } from "../../../src/runtime/pool/pools.ts";
import type { Clock } from "../../../src/runtime/ports.ts";
import type { Services } from "../../../src/runtime/services.ts";
import { Supervisor } from "../../../src/runtime/supervisor.ts";
import { replaced } from "../../gateway/stage.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const stepMs = 50;
const idle = {
  connections: 0,
  sessions: 0,
  cpu: 0,
  loopDelayMs: 0,
  residentBytes: 0,
  bytesInPerSecond: 0,
  bytesOutPerSecond: 0,
};

/** A member, as its client sees it. */
export class StagedMember {
  readonly node: StagedNode;
  readonly attachment: Attachment;
  readonly works: Work[] = [];
  readonly frames: Frame[] = [];
  /** What it has and has not answered. */
  readonly doing = new Map<number, Work>();
  joined = false;
  gone = false;

  constructor(node: StagedNode, session: string, onWork: (member: StagedMember, work: Work) => void) {
    this.node = node;
    const send = (frame: Frame): "sent" => {
      this.frames.push(frame);
      if (frame.type === "joined") this.joined = true;
      if (frame.type === "left") this.joined = false;
      if (frame.type === "left") this.doing.clear();
      if (frame.type === "work") {
        this.works.push(frame);
        onWork(this, frame);
        this.doing.set(frame.item, frame);
      }
      return "sent";
    };
    const identity = { subject: session, publish: [], subscribe: [">"] };
    this.attachment = {
      session: session as SessionId,
      owner: 1,
      peer: { id: session, identity, limits, send } as never,
    };
  }

  join(pool: string, capacity: number): void {
    this.joined = false;
    void this.node.pools.receive(this.attachment, { type: "join", ref: 1, pool, capacity });
  }
  done(pool: string, item: number): void {
    this.doing.delete(item);
    void this.node.pools.receive(this.attachment, { type: "done", pool, items: [item] });
  }
  drop(): void {
    this.gone = true;
    this.doing.clear();
    if (!this.node.dead) this.node.pools.detached(this.attachment, "socketClosed 1006");
  }
}

export type StagedNode = {
  readonly name: string;
  readonly pools: Pools;
  readonly lines: string[];
  dead: boolean;
  /** It does nothing until then. */
  pausedUntil: number;
};

export class PoolStage {
  readonly clock = new ManualClock();
  readonly log: EventLog = openMemoryLog({ clock: this.clock, epoch: "e" });
  readonly nodes: StagedNode[] = [];
  readonly members: StagedMember[] = [];
  readonly #hub = new LocalHub();
  #numbers = 0;
  /** WORK that a member was given while another that lives had the record. */
  readonly twice: string[] = [];
  published = 0;

  async start(): Promise<StagedNode> {
    const name = `n${++this.#numbers}`;
    const node = { name, lines: [] as string[], dead: false, pausedUntil: 0 } as unknown as StagedNode & {
      pools: Pools;
    };
    const clock = this.#clockOf(node);
    const bus = this.#busOf(node, clock);
    const log = replaced(this.log, { info: () => ({ ...this.log.info(), shared: true }) });
    const logger = { log: (_: string, event: string) => void node.lines.push(event) };
    const supervisor = new Supervisor(clock, logger);
    const cluster = new NodeMembership({
      ...{ log, bus, clock, logger, supervisor, incarnation: `i${name}`, protocol: nodeProtocol },
      detection: new LatencyHistogram(),
      facts: new NodeFacts(log, clock),
      identity: { node: name, version: "1.0.0", weight: 1, startedAt: clock.now() },
      load: () => idle,
      replaced: () => undefined,
    });
    let draws = this.#numbers * 7919;
    const random = {
      next: () => (draws = (draws * 16_807 + 11) % 2_147_483_647) / 2_147_483_647,
      token: () => `t${(draws = (draws * 16_807 + 11) % 2_147_483_647)}`,
    };
    const output = { codecs: {}, publish: () => undefined, sent: () => undefined } as never;
    const look = (): void => undefined;
    const hub = new Hub(log, {
      clock,
      output,
      look,
      frame: limits,
      recent: { recordsMax: 1_000, bytesMax: 1_000_000 },
    });
    const ports = { clock, random, log, bus, logger } as never;
    const never = { inflow: undefined as never, balancing: undefined as never };
    const rest = { counters: new Counters(), ...never, delivered: () => undefined, look };
    const services: Services = { ports, limits, node: name, cluster, hub, features: new Features(), ...rest };
    node.pools = new Pools(services, supervisor);
    await this.done(cluster.claim());
    cluster.joined({ url: `ws://${name}/`, http: `http://${name}` });
    hub.start();
    node.pools.start();
    this.nodes.push(node);
    await this.pass(600);
    return node;
  }

  get alive(): readonly StagedNode[] {
    return this.nodes.filter(({ dead }) => !dead);
  }

  /** Where it says that it gives out the work. */
  coordinators(pool: string): readonly StagedNode[] {
    return this.alive.filter(({ pools }) => pools.coordinated().some(({ name }) => name === pool));
  }

  kill(node: StagedNode): void {
    node.dead = true;
    for (const member of this.members) if (member.node === node) member.drop();
  }

  /** SIGSTOP, and SIGCONT after so long. */
  pause(node: StagedNode, ms: number): void {
    node.pausedUntil = this.clock.now() + ms;
  }

  member(node: StagedNode, pool: string, capacity: number): StagedMember {
    const member = new StagedMember(node, `s${++this.#numbers}`, (one, work) => this.#given(one, work));
    this.members.push(member);
    member.join(pool, capacity);
    return member;
  }

  async publish(count: number): Promise<void> {
    const records = Array.from({ length: count }, () => {
      const id = `r${++this.published}`;
      return { topic: "jobs.a", id, lane: 2 as const, payload: new Uint8Array([1]) };
    });
    await this.done(this.log.append({ records }));
  }

  async make(pool: string, settings: Partial<PoolSettings> = {}): Promise<void> {
    const [first] = this.alive;
    const whole = {
      ...poolDefaults,
      filters: ["jobs.>"],
      maxDeliver: 0,
      retryMs: 100,
      ackWaitMs: 600_000,
      ...settings,
    };
    const made = first?.pools.create(pool, whole, "test");
    if (made === undefined || !(await this.done(made)).ok) throw new Error("The pool was not made");
    await this.until(() => this.coordinators(pool).length === 1, "it has a coordinator");
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async until(fact: () => boolean, what: string, withinMs = 60_000): Promise<void> {
    for (let ms = 0; !fact(); ms += stepMs) {
      if (ms > withinMs) throw new Error(`Not within ${withinMs} ms: ${what}`);
      await this.pass(stepMs);
    }
  }

  async done<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => {
      isDone = true;
    });
    settled.catch(() => undefined);
    await this.until(() => isDone, "it is settled");
    return await settled;
  }

  #given(member: StagedMember, { item }: Work): void {
    for (const other of this.members) {
      const stands = other.node.pausedUntil > this.clock.now();
      if (other === member || other.gone || other.node.dead || stands || !other.doing.has(item)) continue;
      this.twice.push(`${item} at ${member.attachment.session} and ${other.attachment.session}`);
    }
  }

  /** A node that is dead does nothing; one that stands still does it when it goes on. */
  #clockOf(node: StagedNode): Clock {
    const { clock } = this;
    const later = (wake: () => void): void => {
      if (node.dead) return;
      const left = node.pausedUntil - clock.now();
      if (left > 0) clock.after(left, () => later(wake));
      else wake();
    };
    return {
      now: () => clock.now(),
      after: (ms, wake) => clock.after(ms, () => later(wake)),
      soon: (run) => clock.soon(() => later(run)),
    };
  }

  #busOf(node: StagedNode, clock: Clock): Bus {
    const whole = localBus(clock, this.#hub);
    return {
      bytesMax: whole.bytesMax,
      publish: (subject, data, headers) => node.dead || whole.publish(subject, data, headers),
      subscribe: (subject, onMessage, options) => whole.subscribe(subject, onMessage, options),
      request: (subject, data, options) => whole.request(subject, data, options),
      close: () => whole.close(),
    };
  }
}
