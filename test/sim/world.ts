/**
 * One seed, one world: production clients and a production gateway on virtual time, faults for a while, then
 * none, until everything has arrived; then the checkers judge. The same seed gives the same world, event for event.
 * @module
 */

import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import { chooseSubprotocol } from "../../src/protocol/subprotocol.ts";
import type { Logger } from "../../src/runtime/ports.ts";
import type { Bug } from "./bugs.ts";
import { checkEvidence } from "./checkers.ts";
import { SimClock, SimProcess } from "./clock.ts";
import { type Evidence, newEvidence, type Violation } from "./evidence.ts";
import { type FaultPlan, faultKinds, natsFaultKinds, planFaults, runFaults } from "./faults.ts";
import { type GatewayUnderTest, startGateway } from "./gateway-process.ts";
import { checkLifecycle } from "./lifecycle.ts";
import { NatsStorage } from "./nats/storage.ts";
import { type Data, type Place, SimNetwork, type Wire } from "./network.ts";
import { type Chance, chanceFrom } from "./random.ts";
import { SimStorage } from "./storage.ts";
import { frameLine, Trace } from "./trace.ts";
import { WireChecker } from "./wire-checker.ts";
import { Workload } from "./workload.ts";

export type WorldOptions = {
  readonly seed: number;
  readonly bug?: Bug;
  /** Several gateways share a log on a simulated NATS. */
  readonly nats?: boolean;
  /** False: on NATS, servers that do not know atomic batches yet. */
  readonly batches?: boolean;
  /** Keeps a readable trace. Changes nothing else. */
  readonly readable?: boolean;
};

export type Outcome = {
  readonly violations: readonly Violation[];
  readonly hash: number;
  readonly trace: readonly string[];
  readonly events: number;
  readonly virtualMs: number;
  readonly records: number;
  readonly processed: number;
};

/** After the faults end, everything must have arrived within this. Longer than every backoff. */
const convergeMs = 600_000;
/** And then nothing more may happen for this long: longer than retransmission timers. */
const afterwardsMs = 45_000;
const stepMs = 2_500;

export function runWorld(options: WorldOptions): Outcome {
  const world = new World(options);
  const mend = options.bug?.breaks?.();
  try {
    world.run();
  } catch (error) {
    world.found("no uncaught error", error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    mend?.();
  }
  return world.judge();
}

export class World {
  readonly clock = new SimClock();
  readonly chance: Chance;
  readonly evidence: Evidence = newEvidence();
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly storage: SimStorage | NatsStorage;
  readonly workload: Workload;
  readonly bug: Bug | undefined;
  /** How many publishes a client may have under way. */
  readonly creditRecords: number;
  /** Services are told what happens to sessions. */
  readonly lifecycle: boolean;
  /** How far the gateways' wall clock is off. */
  skewMs = 0;
  #jumpedMs = 0;
  readonly #violations: Violation[] = [];
  readonly #wires: WireChecker;
  readonly #plan: FaultPlan;
  readonly #gatewaysMax: number;
  /** Which gateway it hits. */
  readonly #fates: Chance;
  #gateways: GatewayUnderTest[] = [];
  #started = 0;

  constructor({ seed, bug, nats = false, batches = true, readable = false }: WorldOptions) {
    this.chance = chanceFrom(nats ? `nats/${seed}` : seed);
    this.#gatewaysMax = nats ? this.chance.fork("gateways").pick([1, 2, 2, 2, 3]) : 1;
    this.#fates = this.chance.fork("fates");
    this.bug = bug;
    this.lifecycle = bug?.lifecycle ?? this.chance.fork("lifecycle").hit(0.3);
    this.creditRecords = this.chance.fork("credit").pick([8, 64, 8_192]);
    this.trace = new Trace(this.clock, readable);
    const tap = {
      pass: (wire: Wire, place: Place, data: Data) => this.#pass(wire, place, data),
      ended: (wire: Wire, side: "client" | "gateway", code: number, reason: string) =>
        this.#ended(wire, side, code, reason),
    };
    this.network = new SimNetwork(this.clock, this.chance.fork("network"), tap);
    this.storage = nats
      ? new NatsStorage(this.clock, this.chance.fork("storage"), {
          skewMs: () => this.skewMs,
          logger: (process) => this.#loggerOf(process),
          meddling: bug?.nats ?? {},
          batches,
          isSettled: (key) => this.#isSettled(key),
          ...(bug?.ordering === undefined ? {} : { ordering: bug.ordering }),
          ...(bug?.windowMs === undefined ? {} : { windowMs: bug.windowMs }),
        })
      : new SimStorage(this.clock, this.chance.fork("storage"), () => this.skewMs);
    this.workload = new Workload(this);
    this.#plan = bug?.faults ?? planFaults(this.chance.fork("plan"), nats ? natsFaultKinds : faultKinds);
    this.#wires = new WireChecker(this.workload, {
      nowMs: () => this.clock.nowMs,
      jumpedMs: () => this.#jumpedMs,
      shared: this.storage instanceof NatsStorage,
      calm: [...this.#plan.keys()].every((kind) => !kind.startsWith("nats") && kind !== "gatewayPause"),
    });
  }

  run(): void {
    const activeMs = this.bug?.activeMs ?? this.chance.fork("length").pick([3_000, 10_000, 30_000]);
    const untilMs = this.clock.nowMs + activeMs;
    this.trace.note("START", () => `faults: ${[...this.#plan].map(([kind, ms]) => `${kind}/${ms}`).join(" ")}`);
    for (let i = 0; i < this.#gatewaysMax; i++) this.#startGateway();
    this.workload.start(untilMs);
    runFaults(this, this.#plan, untilMs);
    this.clock.runUntil(untilMs);
    this.#heal();
    if (this.#untilQuiet()) this.clock.runUntil(this.clock.nowMs + afterwardsMs);
  }

  /** A gateway dies at this moment, and the log forgets what it had not flushed. */
  crashGateway({ silent, downMs }: { readonly silent: boolean; readonly downMs: number }): void {
    const gateway = this.#pickGateway();
    if (gateway === undefined) return;
    this.#kill(gateway, silent);
    if (this.storage instanceof SimStorage) this.storage.crash();
    this.clock.after(downMs, () => this.#startGateway());
  }

  /** A gateway is stopped as an operator would, and started again. */
  restartGateway(): void {
    const gateway = this.#pickGateway();
    if (gateway === undefined || gateway.stopping) return;
    gateway.stopping = true;
    const gone = (): void => {
      if (!gateway.process.alive) return;
      this.#kill(gateway, false);
      this.#startGateway();
    };
    const stop = (): void =>
      void gateway.stop().then(gone, (error: unknown) => this.found("gateway stops", String(error)));
    // One that stands still hears of it when it goes on.
    if (gateway.process.pausedUntilMs > this.clock.nowMs) this.clock.after(0, stop, gateway.process);
    else stop();
    this.clock.after(60_000, () => {
      // Where NATS is away, or the process stands still, an operator loses patience.
      if (gateway.process.alive && this.storage instanceof SimStorage)
        this.found("gateway stops", `${gateway.process.name} did not stop within 60 s`);
      gone();
    });
  }

  /** A gateway stands still, and goes on as if nothing had happened. */
  pauseGateway(forMs: number): void {
    const gateway = this.#pickGateway();
    if (gateway === undefined) return;
    gateway.process.standStill(this.clock.nowMs, forMs);
  }

  #pickGateway(): GatewayUnderTest | undefined {
    return this.#gateways.length > 1 ? this.#fates.pick(this.#gateways) : this.#gateways[0];
  }

  /** The gateways' wall clock is set, forwards or backwards. */
  jump(byMs: number): void {
    this.skewMs += byMs;
    this.#jumpedMs = this.clock.nowMs;
  }

  #startGateway(): void {
    const process = new SimProcess(`gateway-${++this.#started}`);
    this.trace.note(`START ${process.name}`);
    if (this.storage instanceof SimStorage) {
      const log = this.storage.for(process);
      const gateway = startGateway(this, process, this.bug?.log?.(log, this, process) ?? log);
      return this.#watch(gateway);
    }
    const opened = this.storage.open(process);
    opened.then(
      (log) => {
        if (process.alive) this.#watch(startGateway(this, process, log));
      },
      (error: unknown) => {
        this.trace.note(`FAILED ${process.name}`, () => String(error));
        process.kill();
        this.clock.after(1_000, () => this.#startGateway());
      },
    );
  }

  #watch(gateway: GatewayUnderTest): void {
    this.#gateways.push(gateway);
    gateway.started.catch((error: unknown) => {
      this.trace.note(`FAILED ${gateway.process.name}`, () => String(error));
      this.#kill(gateway, false);
      this.clock.after(1_000, () => this.#startGateway());
    });
  }

  #kill(gateway: GatewayUnderTest, silent: boolean): void {
    const { process } = gateway;
    this.trace.note(`KILL ${process.name}`);
    this.#gateways = this.#gateways.filter((one) => one !== gateway);
    process.kill();
    this.network.lose(process, silent);
  }

  #heal(): void {
    this.trace.note("HEAL");
    this.network.heal();
    this.storage.heal();
  }

  #untilQuiet(): boolean {
    const endMs = this.clock.nowMs + convergeMs;
    while (this.clock.nowMs < endMs) {
      this.clock.runUntil(this.clock.nowMs + stepMs);
      if (this.#violations.length + this.#wires.violations.length > 0) return false;
      if (this.workload.settled() && this.#checked().length === 0) return true;
    }
    if (!this.workload.settled()) {
      this.found("converges", `Not settled ${convergeMs / 1000} s after the last fault: ${this.workload.unsettled()}`);
    }
    return false;
  }

  #checked(): readonly Violation[] {
    this.evidence.log = this.storage.contents();
    this.evidence.firstSeq = this.storage.firstSeq;
    const disordered = this.storage instanceof NatsStorage ? this.storage.disordered : [];
    const { journals, told } = this.lifecycle ? this.storage.lifecycle() : { journals: [], told: [] };
    return [...disordered, ...checkEvidence(this.evidence), ...checkLifecycle(journals, told)];
  }

  judge(): Outcome {
    const seen = [...this.#violations, ...this.#wires.violations];
    // A run that was cut short owes what had not arrived yet.
    const found = seen.length > 0 ? seen : [...this.#checked()];
    return {
      violations: found,
      hash: this.trace.hash,
      trace: this.trace.lines ?? [],
      events: this.clock.events,
      virtualMs: this.clock.elapsedMs,
      records: this.evidence.log.length,
      processed: this.evidence.subscribers.reduce((sum, { processed }) => sum + processed.length, 0),
    };
  }

  /** Of transactions the log remembers more than their records. */
  #isSettled(key: string): boolean {
    const publish = this.evidence.publishes.get(key);
    return publish?.outcome !== "unknown" || publish.transaction !== undefined || key.startsWith("out:");
  }

  #loggerOf(process: SimProcess): Logger {
    return { log: (level, event, fields) => process.alive && this.gatewayReported(level, event, fields) };
  }

  /** What the gateway reports of itself as a bug is one. */
  gatewayReported(level: string, event: string, fields: Readonly<Record<string, unknown>>): void {
    this.trace.note(`LOG ${level} ${event}`, () => JSON.stringify(fields));
    if (level === "error") this.found("no internal error", `${event} ${JSON.stringify(fields)}`);
  }

  found(checker: string, message: string): void {
    this.#violations.push({ checker, message });
  }

  #pass(wire: Wire, place: Place, data: Data): readonly Data[] {
    const codec = codecs[chooseSubprotocol([wire.subprotocol])?.codec as keyof typeof codecs];
    const decoded = codec.decode(data, limits);
    if (!decoded.ok) {
      this.found("frames decode", `${place} of wire ${wire.id}: ${decoded.code} at ${decoded.at}: ${decoded.message}`);
      return [data];
    }
    const { frame } = decoded;
    const atGateway = place === "gatewayIn" || place === "gatewayOut";
    const changed = this.bug?.meddle?.(frame, { wire, place, world: this });
    // A bug on the gateway's side changes what the wire carries from there on; on the client's side likewise.
    const seen: readonly Frame[] =
      changed === undefined || place === "gatewayIn" || place === "clientIn" ? [frame] : changed;
    for (const one of seen) {
      this.trace.note(
        `${wire.id} ${place} ${one.type}`,
        () => `${atGateway ? wire.gateway?.name : wire.client.name} ${frameLine(one)}`,
      );
      this.#wires.frame(wire, place, one);
      if (place === "clientIn") this.workload.arrived(wire.client.name, wire.id, one);
    }
    return changed === undefined ? [data] : changed.map((one) => codec.encode(one));
  }

  #ended(wire: Wire, side: "client" | "gateway", code: number, reason: string): void {
    this.trace.note(`${wire.id} ended ${side} ${code}`, () => reason);
    this.#wires.ended(wire, side, code, reason);
  }
}
