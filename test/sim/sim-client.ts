/**
 * A production SDK client as a process of the simulated world: it can die and come back with the same store.
 * @module
 */
import type { Client } from "../../src/client/api.ts";
import { connect } from "../../src/client/mod.ts";
import type { ClientStore } from "../../src/client/store.ts";
import { memoryStore } from "../../src/client/store-memory.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import { portsClock, SimProcess } from "./clock.ts";
import type { Chance } from "./random.ts";
import type { World } from "./world.ts";

/** What an application does with its client; called again after each crash. */
export type Role = (instance: Instance) => void;
export type Instance = {
  readonly client: Client;
  readonly process: SimProcess;
  readonly chance: Chance;
  readonly restarts: number;
};

export type SessionPlan = {
  /** 0: nothing of its session outlives a connection. Absent: longer than any run. */
  readonly resumeWindowMs?: number;
  readonly onSessionLost?: "fail" | "resend";
};

export type SimClientOptions = SessionPlan & {
  readonly name: string;
  /** Whether faults may kill it. */
  readonly mayCrash: boolean;
};

const codecShares = [...Array<"msgpack">(14).fill("msgpack"), "json", "protobuf"] as const;

const longResumeWindowMs = 24 * 3_600_000;

export class SimClient {
  readonly options: SimClientOptions;
  readonly #world: World;
  readonly #roles: Role[] = [];
  readonly #store: ClientStore | undefined;
  readonly #codec: keyof typeof codecs;
  #instance: Instance | undefined;
  #restarts = 0;

  constructor(world: World, options: SimClientOptions) {
    this.#world = world;
    this.options = options;
    const store = memoryStore();
    this.#store = options.resumeWindowMs === 0 ? undefined : (world.bug?.store?.(store) ?? store);
    this.#codec = world.chance.fork(`codec/${options.name}`).pick(codecShares);
  }

  get running(): Instance | undefined {
    return this.#instance;
  }

  play(role: Role): void {
    this.#roles.push(role);
    if (this.#instance !== undefined) role(this.#instance);
  }

  start(): void {
    const { name, resumeWindowMs = longResumeWindowMs, onSessionLost = "fail" } = this.options;
    const world = this.#world;
    const process = new SimProcess(name);
    const chance = world.chance.fork(`${name}/${this.#restarts}`);
    const client = connect("ws://sim/", {
      codec: codecs[this.#codec],
      resumeWindowMs,
      onSessionLost,
      ...(this.#store === undefined ? {} : { store: this.#store }),
      reconnect: { minMs: 50, maxMs: 5_000 },
      ports: {
        clock: portsClock(world.clock, process),
        random: { next: chance.next },
        openSocket: world.network.openSocket(process),
      },
    });
    world.trace.note(`START ${name}`);
    this.#instance = { client, process, chance, restarts: this.#restarts++ };
    for (const role of this.#roles) role(this.#instance);
  }

  crash(silent: boolean, downMs: number): void {
    const instance = this.#instance;
    if (instance === undefined) return;
    this.#world.trace.note(`KILL ${this.options.name}`);
    this.#instance = undefined;
    instance.process.kill();
    this.#world.network.lose(instance.process, silent);
    this.#world.clock.after(downMs, () => this.start());
  }
}
