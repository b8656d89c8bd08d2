/**
 * Nodes that share a log on the simulated NATS, with nothing above it: producers that number records, do steps and
 * write journals, and go from node to node while the node they had goes on as if it were theirs. The answers that
 * they got are compared with what the log holds at the end.
 * @module
 */
import { normalLane } from "../../../src/protocol/lane.ts";
import { Journal } from "../../../src/runtime/journal.ts";
import type { EventLog, JournalEntry } from "../../../src/runtime/log/event-log.ts";
import type { Bug } from "../bugs.ts";
import { portsClock, SimClock, SimProcess } from "../clock.ts";
import { payloadFor, type Violation } from "../evidence.ts";
import { type FaultPlan, natsFaultKinds, planFaults, strikeNats } from "../faults.ts";
import { type Chance, chanceFrom } from "../random.ts";
import { checkLog } from "./log-checkers.ts";
import { NatsStorage } from "./storage.ts";

export type LogWorldOptions = {
  readonly seed: number;
  readonly bug?: Bug;
  /** False: servers that do not know atomic batches yet. */
  readonly batches?: boolean;
  readonly readable?: boolean;
};
export type LogOutcome = {
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly operations: number;
  readonly trace: readonly string[];
};
type Node = { readonly process: SimProcess; readonly log: EventLog };
type Operation =
  | { readonly kind: "numbered"; readonly key: string; readonly number: number }
  | { readonly kind: "step"; readonly key: string; readonly records: number }
  | { readonly kind: "entry"; readonly key: string };

const nodesMax = 3;
const producersMax = 3;
const operationsMax = 60;
const activeMs = 20_000;
const healedMs = 120_000;
/** Who waits longer goes to another node. */
const patienceMs = 4_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function runLogWorld(options: LogWorldOptions): LogOutcome {
  const world = new LogWorld(options);
  const mend = options.bug?.breaks?.();
  try {
    return world.run();
  } finally {
    mend?.();
  }
}

class LogWorld {
  readonly clock = new SimClock();
  readonly chance: Chance;
  /** Keys of operations that are said to be stored. */
  readonly stored = new Set<string>();
  readonly #found: Violation[] = [];
  readonly storage: NatsStorage;
  readonly stepRecordsMax: number;
  readonly #bug: Bug | undefined;
  readonly #trace: string[] | undefined;
  #nodes: Node[] = [];
  #started = 0;

  constructor({ seed, bug, batches = true, readable = false }: LogWorldOptions) {
    this.chance = chanceFrom(`log/${seed}`);
    this.stepRecordsMax = batches ? 3 : 1;
    this.#bug = bug;
    this.#trace = readable ? [] : undefined;
    this.storage = new NatsStorage(this.clock, this.chance.fork("storage"), {
      skewMs: () => 0,
      logger: (process) => ({ log: (_, event, fields) => this.note(process.name, event, fields) }),
      meddling: bug?.nats ?? {},
      isSettled: () => true,
      batches,
      ...(bug?.ordering === undefined ? {} : { ordering: bug.ordering }),
      ...(bug?.windowMs === undefined ? {} : { windowMs: bug.windowMs }),
    });
  }

  note(who: string, what: string, details: object = {}): void {
    this.#trace?.push(`${this.clock.elapsedMs.toFixed(3).padStart(12)} ${who} ${what} ${JSON.stringify(details)}`);
  }

  run(): LogOutcome {
    const until = this.clock.nowMs + activeMs;
    for (let i = 0; i < nodesMax; i++) this.#startNode();
    const producers = Array.from({ length: producersMax }, (_, i) => new Producer(this, `producer-${i + 1}`));
    for (const producer of producers) void producer.run();
    this.#strike(this.#bug?.faults ?? planFaults(this.chance.fork("plan"), natsFaultKinds), until);
    this.clock.runUntil(until);
    this.note("world", "heals");
    this.storage.heal();
    const end = this.clock.nowMs + healedMs;
    while (producers.some(({ done }) => !done) && this.clock.nowMs < end) this.clock.runUntil(this.clock.nowMs + 1_000);
    // What a node that stood still has left to say.
    this.clock.runUntil(this.clock.nowMs + healedMs);
    const unsettled = producers
      .filter(({ done }) => !done)
      .map(({ id }) => violation("converges", `${id} is not done`));
    const violations = unsettled.length > 0 ? unsettled : this.#check(producers.map(({ id }) => id));
    const operations = producers.reduce((sum, { at }) => sum + at, 0);
    return { violations, events: this.clock.events, operations, trace: this.#trace ?? [] };
  }

  /** Refused as another's write: then the newest is another's. */
  refused(id: string, owner: number): void {
    const newest = this.storage.nats.streams[1]?.newest(`weir.j.session.${id}`);
    const by = newest === undefined ? undefined : /(?:own|entry|step) (\d+)/.exec(decoder.decode(newest.data));
    if (Number(by?.[1]) === owner)
      this.found("own write is known", `Owner ${owner} of ${id} was refused, and what is newest is its own`);
  }

  found(checker: string, message: string): void {
    this.#found.push(violation(checker, message));
  }

  #check(ids: readonly string[]): readonly Violation[] {
    const journals = new Map<string, readonly string[]>();
    const reader = this.#open("reader");
    for (const id of ids)
      void reader
        .then((log) => log.journals.read({ kind: "session", id }, 0, 10_000))
        .then((entries) => journals.set(id, entries.map(textOf)))
        .catch((error: unknown) => this.note("reader", "failed", { id, error: String(error) }));
    this.clock.runUntil(this.clock.nowMs + 30_000);
    if (journals.size < ids.length) return [violation("converges", "The journals cannot be read")];
    return [...this.#found, ...checkLog(this.storage.contents(), journals, this.stored), ...this.storage.disordered];
  }

  // --- nodes ---

  #open(name: string): Promise<EventLog> {
    return this.storage.open(new SimProcess(name));
  }

  #startNode(): void {
    const process = new SimProcess(`node-${++this.#started}`);
    this.storage.open(process).then(
      (log) => {
        if (process.alive) this.#nodes.push({ process, log });
      },
      () => this.clock.after(1_000, () => this.#startNode()),
    );
  }

  /** One that lives and goes on. */
  anyNode(chance: Chance): Node | undefined {
    const open = this.#nodes.filter(({ process }) => process.pausedUntilMs <= this.clock.nowMs);
    return open.length === 0 ? undefined : chance.pick(open);
  }

  #strike(plan: FaultPlan, until: number): void {
    for (const [kind, meanMs] of plan) {
      const chance = this.chance.fork(`fault/${kind}`);
      const again = (): void => {
        const delayMs = -Math.log(1 - chance.next()) * meanMs;
        if (this.clock.nowMs + delayMs >= until) return;
        this.clock.after(delayMs, () => {
          const forMs = chance.pick([50, 500, 3_000, 15_000]) * (0.5 + chance.next());
          this.note("fault", kind, { forMs });
          if (kind === "gatewayCrash") this.#crash(chance);
          else if (kind === "gatewayPause") this.#pause(chance);
          else strikeNats(this.storage.nats, kind, { chance, forMs });
          again();
        });
      };
      again();
    }
  }

  #crash(chance: Chance): void {
    if (this.#nodes.length === 0) return;
    const node = chance.pick(this.#nodes);
    this.#nodes = this.#nodes.filter((one) => one !== node);
    node.process.kill();
    this.clock.after(chance.pick([100, 2_000]), () => this.#startNode());
  }

  #pause(chance: Chance): void {
    if (this.#nodes.length === 0) return;
    const { process } = chance.pick(this.#nodes);
    process.pausedUntilMs = this.clock.nowMs + chance.pick([200, 6_000, 60_000]) * (0.5 + chance.next() / 2);
  }
}

/** One that publishes, in order, through whichever node answers; what is not answered in time goes to another one. */
class Producer {
  readonly id: string;
  done = false;
  /** How many of its operations are answered. */
  at = 0;
  readonly #world: LogWorld;
  readonly #chance: Chance;
  readonly #operations: readonly Operation[];

  constructor(world: LogWorld, id: string) {
    this.#world = world;
    this.id = id;
    this.#chance = world.chance.fork(id);
    let number = 0;
    this.#operations = Array.from({ length: operationsMax }, (_, i): Operation => {
      const key = `${id}-${i + 1}`;
      const kind = this.#chance.pick(["numbered", "numbered", "step", "entry"] as const);
      if (kind === "numbered") return { kind, key, number: ++number };
      return kind === "step" ? { kind, key, records: this.#chance.int(1, world.stepRecordsMax) } : { kind, key };
    });
  }

  async run(): Promise<void> {
    const { clock } = this.#world;
    while (this.at < this.#operations.length) {
      const node = this.#world.anyNode(this.#chance);
      if (node !== undefined) await this.#use(new Seat(this.#world, this.id, node));
      await new Promise<void>((wake) => clock.after(100 + this.#chance.next() * 400, wake));
    }
    this.done = true;
  }

  /** As long as it answers, and sometimes no longer. */
  async #use(seat: Seat): Promise<void> {
    if ((await this.#inTime(seat.take(this.#numberedUpTo))) !== true) return;
    const stays = this.#chance.int(1, 20);
    for (let i = 0; i < stays && this.at < this.#operations.length; i++) {
      const next = this.#operations.slice(this.at, this.at + this.#chance.pick([1, 1, 3]));
      const first = next.findIndex(({ kind }) => kind !== "numbered");
      const batch = next.slice(0, Math.max(1, first === -1 ? next.length : first));
      const results = await this.#inTime(Promise.all(batch.map((one) => seat.do(one))));
      const good = results?.findIndex((ok) => !ok) ?? 0;
      this.at += good === -1 ? batch.length : good;
      if (good !== -1) return this.#leaveBehind(seat, batch);
      await new Promise<void>((wake) => this.#world.clock.after(this.#chance.next() * 300, wake));
    }
  }

  /** The highest number that is answered. */
  get #numberedUpTo(): number {
    const answered = this.#operations.slice(0, this.at);
    return answered.reduce((max, one) => (one.kind === "numbered" ? Math.max(max, one.number) : max), 0);
  }

  /** What was said to that node before may be read by it late. */
  #leaveBehind(seat: Seat, batch: readonly Operation[]): void {
    this.#world.clock.after(
      this.#chance.next() * 2_000,
      () => void Promise.all(batch.map((one) => seat.do(one))),
      seat.node,
    );
  }

  #inTime<T>(work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const timer = this.#world.clock.after(patienceMs, () => resolve(undefined));
      void work.then((value) => {
        timer.cancel();
        resolve(value);
      });
    });
  }
}

/** A producer at one node: what a session is there. */
class Seat {
  readonly node: SimProcess;
  readonly #world: LogWorld;
  readonly #id: string;
  readonly #log: EventLog;
  #journal: Journal | undefined;
  #owner = 0;
  #mark = 0;
  #done = new Set<string>();
  /** What is under way: said again, it is not done again. */
  readonly #doing = new Map<string, Promise<boolean>>();

  constructor(world: LogWorld, id: string, { process, log }: Node) {
    this.#world = world;
    this.#id = id;
    this.node = process;
    this.#log = log;
  }

  /** False: another one was faster, or the log is away. */
  async take(numberedUpTo: number): Promise<boolean> {
    const key = { kind: "session", id: this.#id };
    try {
      const read = await this.#log.journals.read(key, 0, 10_000);
      const entries = read.map(textOf);
      this.#owner = 1 + Math.max(0, ...entries.map((text) => Number(text.split(" ")[1])));
      this.#done = new Set(entries.map((text) => text.split(" ")[2] ?? ""));
      this.#journal = new Journal(this.#log, portsClock(this.#world.clock, this.node), {
        key,
        seq: read.at(-1)?.seq ?? 0,
      });
      await this.#journal.append([this.#entry("own", "")]);
      this.#mark = (await this.#log.producerMark(this.#id)) ?? 0;
      if (this.#mark < numberedUpTo)
        this.#world.found("mark is known", `${this.#id} is at ${numberedUpTo}, and its mark at ${this.#mark}`);
      this.#world.note(this.node.name, "took", { id: this.#id, owner: this.#owner, mark: this.#mark });
      return true;
    } catch (error) {
      this.#world.note(this.node.name, "did not take", { id: this.#id, error: String(error) });
      return false;
    }
  }

  /** True: it is stored. */
  do(operation: Operation): Promise<boolean> {
    const { key } = operation;
    const doing = this.#doing.get(key) ?? this.#doNow(operation).finally(() => this.#doing.delete(key));
    this.#doing.set(key, doing);
    return doing;
  }

  async #doNow(operation: Operation): Promise<boolean> {
    const { key } = operation;
    try {
      const result = await this.#perform(operation);
      this.#world.note(this.node.name, result, { key, owner: this.#owner });
      if (result === "stored") this.#world.stored.add(key);
      return result === "stored";
    } catch (error) {
      const lost = (error as { because?: unknown }).because;
      this.#world.note(this.node.name, "failed", { key, owner: this.#owner, error: String(error) });
      if (lost === "conflict") this.#world.refused(this.#id, this.#owner);
      return false;
    }
  }

  async #perform(operation: Operation): Promise<"stored" | "unknown"> {
    const journal = this.#journal as Journal;
    const { key } = operation;
    if (operation.kind === "numbered") {
      const { number } = operation;
      if (number <= this.#mark) return "stored";
      const numbered = { producer: this.#id, after: number - 1, numbers: [number] };
      const result = await this.#log.append({ records: [this.#record(key)], numbered });
      if (result.ok) this.#mark = Math.max(this.#mark, number);
      else this.#world.note(this.node.name, "failed", { key, message: result.message });
      return result.ok ? "stored" : "unknown";
    }
    if (this.#done.has(key)) return "stored";
    if (operation.kind === "entry") {
      await journal.append([this.#entry("entry", key)]);
    } else {
      const records = Array.from({ length: operation.records }, (_, i) => this.#record(`${key}.${i + 1}`));
      const once = { producer: this.#id, key };
      const result = await journal.step([this.#entry("step", key)], (part) =>
        this.#log.append({ records, once, journal: part }),
      );
      if (!result.ok) this.#world.note(this.node.name, "failed", { key, message: result.message });
      if (!result.ok) return "unknown";
    }
    this.#done.add(key);
    return "stored";
  }

  #record(key: string) {
    return { topic: "t", id: key, lane: normalLane, payload: payloadFor(key, 10) };
  }

  #entry(kind: string, key: string): Uint8Array {
    return encoder.encode(`${kind} ${this.#owner} ${key}`);
  }
}

function textOf({ data }: JournalEntry): string {
  return decoder.decode(data);
}

function violation(checker: string, message: string): Violation {
  return { checker, message };
}
