/**
 * Tells the log of this node's life: when it started and stopped, and how its connections ended, so that operators can
 * ask afterwards. Connections come in batches, a bounded number an hour; nothing waits for any of it, and a log that is
 * away costs a line here at most.
 *
 * `node/<name>` holds starts and stops; `connections/<name>/<hour>` holds the connections that ended in that hour, so that
 * old ones can be removed whole.
 * @module
 */
import type { ConnectionEnded, NodeEvent, RetentionInForce } from "../actors/node/events.ts";
import { encodeNodeEvent } from "../actors/node/persist.ts";
import type { EpochMs } from "../protocol/ids.ts";
import { limits as defaults, type Limits } from "../protocol/limits.ts";
import { type NodeFacts, nodeKind } from "./cluster/node-facts.ts";
import type { EventLog, JournalKey } from "./log/event-log.ts";
import type { Clock, Timer } from "./ports.ts";
import { version } from "./version.ts";

export const connectionsKind = "connections";

/** Ended connections wait so long for others. */
const batchMs = 1_000;
const batchConnectionsMax = 256;
/** Those that wait while the log is away. */
const waitingMax = 4_096;
/** About 15 MB an hour. More are counted. */
const connectionsPerHourMax = 100_000;
const retryMs = 5_000;
const hourMs = 3_600_000;
const triesMax = 3;
const pageMax = 256;

export type NodeJournalParts = {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly node: string;
  readonly facts: NodeFacts;
};
export type InForce = { readonly limits: Limits; readonly retention: RetentionInForce };

export class NodeJournal {
  readonly #parts: NodeJournalParts;
  /** The journal that was written last, and its last entry. */
  #held: { readonly id: string; readonly seq: number } | undefined;
  #ended: ConnectionEnded[] = [];
  #omitted = 0;
  #hour = "";
  #toldInHour = 0;
  /** What was told to be in force; undefined: it has not started. */
  #told: string | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;

  constructor(parts: NodeJournalParts) {
    this.#parts = parts;
  }

  started({ limits, retention }: InForce): void {
    const { clock, facts, node } = this.#parts;
    const settings = { limits: unusual(limits), retention };
    this.#told = JSON.stringify(settings);
    facts.tell(node, { type: "Start", at: clock.now(), version, ...settings });
    void this.#findDead();
  }

  /** Whoever writes a log that one process has at a time, knows that all the others are gone. */
  async #findDead(): Promise<void> {
    const { clock, facts, log, node } = this.#parts;
    if (log.info().shared) return;
    const found = { type: "FindDead", at: clock.now(), by: node, cause: "nodeLost" } as const;
    let told = 0;
    try {
      for await (const id of idsOf(log, nodeKind)) {
        if (id !== node) facts.tell(id, found);
        if (++told % pageMax === 0) await facts.settled();
      }
    } catch {
      // The log is away: the next start tells it.
    }
  }

  /**
   * What holds for whatever begins from now on; the same again is no news. Before the start there is nothing to tell: the
   * start tells it all.
   */
  configured({ limits, retention }: InForce): void {
    const settings = { limits: unusual(limits), retention };
    const told = JSON.stringify(settings);
    if (this.#told === undefined || this.#told === told) return;
    this.#told = told;
    const { clock, facts, node } = this.#parts;
    facts.tell(node, { type: "Configure", at: clock.now(), ...settings });
  }

  ended(connection: ConnectionEnded): void {
    if (this.#ended.length >= waitingMax) this.#omitted++;
    else this.#ended.push(connection);
    this.#soon(batchMs);
  }

  /** Resolves when the log holds it, or does not take it. */
  async stopped(reason: string): Promise<void> {
    const { clock, facts, node } = this.#parts;
    facts.tell(node, { type: "Stop", at: clock.now(), reason });
    this.#timer?.cancel();
    await this.#writing;
    await this.#write();
    this.#timer?.cancel();
    await facts.settled();
  }

  /** Removes what is older than it is to be kept, of every node that is gone. */
  async sweep(now: EpochMs, keepMs: number, isMember: (node: string) => boolean): Promise<void> {
    const { log } = this.#parts;
    const { journals } = log;
    for await (const id of idsOf(log, connectionsKind))
      if (hourOf(id) + hourMs + keepMs < now) await journals.delete({ kind: connectionsKind, id });
    for await (const id of idsOf(log, nodeKind)) {
      if (isMember(id)) continue;
      const key = { kind: nodeKind, id };
      const [last] = await journals.read(key, (await journals.lastSeq(key)) - 1, 1);
      if (last !== undefined && last.time + keepMs < now) await journals.delete(key);
    }
  }

  #soon(delayMs: number): void {
    this.#timer ??= this.#parts.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  /** What is not taken stays for the next time. */
  async #write(): Promise<void> {
    while (this.#ended.length > 0 || this.#omitted > 0) {
      const batch = this.#ended.slice(0, batchConnectionsMax);
      if (!(await this.#writeBatch(batch))) return this.#soon(retryMs);
      this.#ended = this.#ended.slice(batch.length);
    }
  }

  async #writeBatch(batch: readonly ConnectionEnded[]): Promise<boolean> {
    const { clock, node } = this.#parts;
    const at = clock.now();
    const hour = new Date(at).toISOString().slice(0, "2030-01-31T12".length);
    if (hour !== this.#hour) this.#toldInHour = 0;
    this.#hour = hour;
    const connections = batch.slice(0, connectionsPerHourMax - this.#toldInHour);
    const omitted = this.#omitted + batch.length - connections.length;
    const key = { kind: connectionsKind, id: `${node}/${hour}` };
    if (!(await this.#append(key, [{ type: "ConnectionsEnded", at, connections, omitted }]))) return false;
    this.#omitted = 0;
    this.#toldInHour += connections.length;
    return true;
  }

  /** Another process may have the same name: what counts is that both are told of. */
  async #append(key: JournalKey, events: readonly NodeEvent[]): Promise<boolean> {
    const { journals } = this.#parts.log;
    const held = this.#held;
    try {
      let expected = held?.id === key.id ? held.seq : await journals.lastSeq(key);
      for (let tries = 0; tries < triesMax; tries++) {
        const result = await journals.append({ key, expected, entries: events.map(encodeNodeEvent) });
        if (result.ok) {
          this.#held = { id: key.id, seq: result.seq };
          return true;
        }
        if (result.code !== "conflict") return false;
        expected = await journals.lastSeq(key);
      }
    } catch {
      // The log is away.
    }
    return false;
  }
}

/** Limits that are not the defaults. */
function unusual(limits: Limits): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(limits).filter(([name, value]) => defaults[name as keyof Limits] !== value));
}

async function* idsOf(log: EventLog, kind: string): AsyncGenerator<string> {
  for (let cursor = ""; ; ) {
    const ids = await log.journals.list(kind, cursor, pageMax);
    yield* ids;
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < pageMax) return;
    cursor = last;
  }
}

/** When the hour of `<node>/<hour>` began. */
function hourOf(id: string): EpochMs {
  return Date.parse(`${id.slice(id.lastIndexOf("/") + 1)}:00:00Z`);
}
