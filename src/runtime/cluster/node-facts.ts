/**
 * Writes the journals of nodes, `node/<name>`: this node's own facts, and what it sees of the others. Each command is
 * decided on what the journal holds; nothing waits for it, and a log that is away gets it later.
 * @module
 */
import { decideNode, type NodeCommand } from "../../actors/node/decide.ts";
import { decodeNodeEvent, encodeNodeEvent } from "../../actors/node/persist.ts";
import { evolveNode, initialNodeState, type NodeState } from "../../actors/node/state.ts";
import type { EventLog } from "../log/event-log.ts";
import type { Clock, Timer } from "../ports.ts";

export const nodeKind = "node";

/** Enough to know what the node is: facts of its membership are not rare. */
const tailMax = 64;
/** While the log is away. */
const waitingMax = 1_024;
const triesMax = 5;
const retryMs = 5_000;
const tailsMax = 512;

type Waiting = { readonly node: string; readonly command: NodeCommand };
type Tail = { readonly seq: number; readonly state: NodeState };

export class NodeFacts {
  readonly #log: EventLog;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  /** As they were when they were read or written here. */
  readonly #tails = new Map<string, Tail>();
  #writing: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(log: EventLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** In order. */
  tell(node: string, command: NodeCommand): void {
    if (this.#waiting.length >= waitingMax) {
      const oldest = this.#waiting.findIndex(({ command: { type } }) => type === "Observe");
      this.#waiting.splice(Math.max(0, oldest), 1);
    }
    this.#waiting.push({ node, command });
    this.#soon(0);
  }

  /** Resolves when the log holds what was told, or does not take it. */
  async settled(): Promise<void> {
    this.#cancel();
    await this.#writing;
    await this.#writeAll();
    this.#cancel();
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #soon(delayMs: number): void {
    this.#timer ??= this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#writeAll();
    });
  }

  /** One after the other: two would write the same. */
  #writeAll(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { node } = next;
      const end = this.#waiting.findIndex((one) => one.node !== node);
      const batch = this.#waiting.slice(0, end === -1 ? this.#waiting.length : end);
      if (!(await this.#append(node, batch))) return this.#soon(retryMs);
      const told = new Set(batch);
      this.#waiting = this.#waiting.filter((one) => !told.has(one));
    }
  }

  async #append(node: string, batch: readonly Waiting[]): Promise<boolean> {
    const { journals } = this.#log;
    const key = { kind: nodeKind, id: node };
    try {
      for (let tries = 0; tries < triesMax; tries++) {
        const { seq, state } = await this.#tail(node);
        const { entries, next } = decided(state, batch);
        if (entries.length === 0) return true;
        const result = await journals.append({ key, expected: seq, entries });
        if (result.ok) {
          this.#tails.set(node, { seq: result.seq, state: next });
          return true;
        }
        this.#tails.delete(node);
        if (result.code !== "conflict") return false;
      }
    } catch {
      // The log is away.
    }
    return false;
  }

  async #tail(node: string): Promise<Tail> {
    const { journals } = this.#log;
    const key = { kind: nodeKind, id: node };
    const seq = await journals.lastSeq(key);
    const known = this.#tails.get(node);
    if (known?.seq === seq) return known;
    const isNext = known !== undefined && known.seq < seq && seq - known.seq <= tailMax;
    const after = isNext ? known.seq : Math.max(0, seq - tailMax);
    const entries = await journals.read(key, after, tailMax);
    const state = entries.reduce(
      (folded, { data }) => evolveNode(folded, decodeNodeEvent(data)),
      isNext ? known.state : initialNodeState,
    );
    const tail = { seq: entries[entries.length - 1]?.seq ?? seq, state };
    if (this.#tails.size >= tailsMax) this.#tails.clear();
    this.#tails.set(node, tail);
    return tail;
  }
}

function decided(
  state: NodeState,
  batch: readonly Waiting[],
): { readonly entries: Uint8Array[]; readonly next: NodeState } {
  const entries: Uint8Array[] = [];
  let next = state;
  for (const { command } of batch) {
    const decision = decideNode(next, command);
    // Refused: it was seen of a process that is not there any more.
    for (const event of decision.ok ? decision.events : []) {
      entries.push(encodeNodeEvent(event));
      next = evolveNode(next, event);
    }
  }
  return { entries, next };
}
