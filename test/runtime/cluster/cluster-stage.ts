/**
 * Several nodes of one cluster in one process: membership without gateways, on a log in memory that says it is shared,
 * a bus that can be cut, and time that passes when told.
 * @module
 */
import type { NodeEvent, NodeProtocol } from "../../../src/actors/node/events.ts";
import { decodeNodeEvent } from "../../../src/actors/node/persist.ts";
import type { Bus, BusMessage } from "../../../src/runtime/bus/bus.ts";
import { LocalHub, localBus } from "../../../src/runtime/bus/local.ts";
import { decodeBeat, nodeProtocol } from "../../../src/runtime/cluster/beat.ts";
import type { Member, NodeLoad } from "../../../src/runtime/cluster/membership.ts";
import { NodeFacts } from "../../../src/runtime/cluster/node-facts.ts";
import { NodeMembership } from "../../../src/runtime/cluster/node-membership.ts";
import type { EventLog } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { LatencyHistogram } from "../../../src/runtime/metrics.ts";
import type { LogLevel } from "../../../src/runtime/ports.ts";
import { Supervisor } from "../../../src/runtime/supervisor.ts";
import { replaced } from "../../gateway/stage.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const stepMs = 50;

export type StagedNode = {
  readonly membership: NodeMembership;
  readonly lines: {
    readonly level: LogLevel;
    readonly event: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
  readonly detection: LatencyHistogram;
  readonly lost: string[];
  /** What it saw: `<node> <status>`. */
  readonly seen: string[];
  readonly replacedBecause: string[];
  /** What it publishes and what it would hear is lost from now on, or not any more. */
  mute(mute: boolean): void;
  deaf(deaf: boolean): void;
  /** Its log is away, or back. */
  away(away: boolean): void;
  /** The process is gone: nothing is told to anybody. */
  kill(): void;
};

export type NodeOptions = {
  readonly node?: string;
  readonly incarnation?: string;
  readonly version?: string;
  readonly protocol?: NodeProtocol;
  readonly load?: Partial<NodeLoad>;
};

const idle: NodeLoad = {
  connections: 0,
  sessions: 0,
  cpu: 0,
  loopDelayMs: 0,
  residentBytes: 0,
  bytesInPerSecond: 0,
  bytesOutPerSecond: 0,
};

export class ClusterStage {
  readonly clock = new ManualClock();
  readonly log: EventLog = openMemoryLog({ clock: this.clock, epoch: "e" });
  readonly #hub = new LocalHub();
  #started = 0;
  #apart: readonly string[] = [];

  /** Not started. */
  node(options: NodeOptions = {}): StagedNode {
    const { clock } = this;
    const number = ++this.#started;
    const { node = `n${number}`, incarnation = `i${number}`, version = "1.0.0", protocol = nodeProtocol } = options;
    let [isMute, isDeaf, isAway, isDead] = [false, false, false, false];
    // A process that is gone has no timers either.
    const ownClock = {
      now: () => clock.now(),
      after: (ms: number, wake: () => void) => clock.after(ms, () => isDead || wake()),
      soon: (run: () => void) => clock.soon(() => isDead || run()),
    };
    const whole = localBus(ownClock, this.#hub);
    const bus: Bus = {
      ...whole,
      bytesMax: whole.bytesMax,
      publish: (subject, data, headers) => isMute || whole.publish(subject, data, headers),
      subscribe: (subject, onMessage, asked) =>
        whole.subscribe(subject, (message) => isDeaf || this.#isCut(node, message) || onMessage(message), asked),
      request: (subject, data, asked) => whole.request(subject, data, asked),
      close: () => whole.close(),
    };
    const failing = async () => ({ ok: false, code: "unavailable", message: "away", retryable: true }) as const;
    const keyValue = new Proxy(this.log.keyValue, {
      get: (target, name: keyof EventLog["keyValue"]) =>
        isAway && name === "put" ? failing : (target[name] as (...args: never[]) => unknown).bind(target),
    });
    const log = replaced(this.log, { info: () => ({ ...this.log.info(), shared: true }), keyValue });
    const lines: StagedNode["lines"] = [];
    const logger = {
      log: (level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>) =>
        void lines.push({ level, event, fields }),
    };
    const detection = new LatencyHistogram();
    const replacedBecause: string[] = [];
    const membership = new NodeMembership({
      ...{ log, bus, clock: ownClock, logger, detection, incarnation, protocol },
      supervisor: new Supervisor(ownClock, logger),
      facts: new NodeFacts(log, ownClock),
      identity: { node, version, weight: 1, startedAt: clock.now() + number },
      load: () => ({ ...idle, ...options.load }),
      replaced: (why) => void replacedBecause.push(why),
    });
    const lost: string[] = [];
    const seen: string[] = [];
    membership.onLost((one) => void lost.push(one));
    membership.onChange((member) => void seen.push(`${member.node} ${member.status}`));
    return {
      ...{ membership, lines, detection, lost, seen, replacedBecause },
      mute: (mute) => {
        isMute = mute;
      },
      deaf: (deaf) => {
        isDeaf = deaf;
      },
      away: (away) => {
        isAway = away;
      },
      kill: () => {
        isDead = true;
        void whole.close();
      },
    };
  }

  /** These do not hear each other any more; nobody named: all do. */
  cut(...apart: readonly string[]): void {
    this.#apart = apart;
  }

  #isCut(node: string, { subject, data }: BusMessage): boolean {
    const from = subject === "b.beat" ? decodeBeat(data)?.node : undefined;
    return from !== undefined && from !== node && this.#apart.includes(node) && this.#apart.includes(from);
  }

  /** A member, and everybody has heard of it. */
  async start(options: NodeOptions = {}): Promise<StagedNode> {
    const node = this.node(options);
    await this.done(node.membership.claim());
    const { node: name } = node.membership.self;
    node.membership.joined({ url: `ws://${name}/`, http: `http://${name}` });
    await this.pass(600);
    return node;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** While time passes. */
  async done<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => {
      isDone = true;
    });
    settled.catch(() => undefined);
    for (let ms = 0; !isDone && ms < withinMs; ms += stepMs) await this.pass(stepMs);
    if (!isDone) throw new Error(`Not within ${withinMs} ms`);
    return await settled;
  }

  async journal(node: string): Promise<readonly NodeEvent[]> {
    const entries = await this.log.journals.read({ kind: "node", id: node }, 0, 1_000);
    return entries.map(({ data }) => decodeNodeEvent(data));
  }
}

/** `<node> <status>` of each. */
export function statuses(members: readonly Member[]): readonly string[] {
  return members.map(({ node, status }) => `${node} ${status}`);
}
