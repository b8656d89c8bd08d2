/**
 * A pool's journal at work: decides, folds, writes in order, loads. Of two nodes that write it one is refused, and lets go.
 * @module
 */
import { pack, unpack } from "msgpackr";
import { decidePool, type PoolCommand, type PoolDecision } from "../../actors/pool/decide.ts";
import type { PoolEvent, PoolMember } from "../../actors/pool/events.ts";
import { decodePoolEvent, encodePoolEvent } from "../../actors/pool/persist.ts";
import { evolvePool, initialPoolState, type Open, type PoolState } from "../../actors/pool/state.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import { Journal, JournalLost, readJournal } from "../journal.ts";
import type { AppendResult, JournalKey, NewRecord } from "../log/event-log.ts";
import type { Services } from "../services.ts";

export const poolKind = "pool";
export const poolKeyOf = (name: string): JournalKey => ({ kind: poolKind, id: name });

const snapshotEvery = 256;

export class PoolStore {
  readonly #services: Services;
  readonly #journal: Journal;
  #state: PoolState;
  #snapshotSeq: number;
  /** When this node last knew that nobody else has written the journal. */
  confirmedAt: EpochMs = Number.NEGATIVE_INFINITY;

  private constructor(services: Services, name: string, at: { readonly state: PoolState; readonly seq: number }) {
    this.#services = services;
    this.#state = at.state;
    this.#snapshotSeq = at.seq;
    this.#journal = new Journal(services.ports.log, services.ports.clock, { key: poolKeyOf(name), seq: at.seq });
  }

  static async open(services: Services, name: string): Promise<PoolStore> {
    return new PoolStore(services, name, await loadPool(services, name));
  }

  get state(): PoolState {
    return this.#state;
  }

  /** Decides, changes the state at once, resolves when the journal holds it. Throws JournalLost. */
  async record(command: PoolCommand): Promise<PoolDecision> {
    const decision = this.#decide(command);
    if (!decision.ok || decision.events.length === 0) return decision;
    this.#apply(decision.events);
    const startedAt = this.#services.ports.clock.now();
    await this.#journal.append(decision.events.map(encodePoolEvent));
    this.confirmedAt = startedAt;
    this.#saveSnapshot();
    return decision;
  }

  /** In one atomic step with a record of the log. */
  async recordWith(command: PoolCommand, record: NewRecord, key: string): Promise<AppendResult> {
    const decision = this.#decide(command);
    if (!decision.ok) return { ok: false, code: "conflict", message: decision.rejection, retryable: false };
    this.#apply(decision.events);
    const once = { producer: this.#journal.key.id, key };
    const { log } = this.#services.ports;
    return await this.#journal.step(decision.events.map(encodePoolEvent), (journal) =>
      log.append({ records: [record], once, journal }),
    );
  }

  /** Nobody else has written the journal. Throws JournalLost when somebody has. */
  async confirm(): Promise<void> {
    const startedAt = this.#services.ports.clock.now();
    await this.#journal.settled();
    const { key, seq } = this.#journal;
    const last = await this.#services.ports.log.journals.lastSeq(key);
    if (!this.#journal.idle) return; // What is being written now tells it.
    if (last !== seq && this.#journal.seq === seq)
      throw new JournalLost("conflict", `journal ${key.kind}/${key.id} ends at ${last}, not at ${seq}`);
    this.confirmedAt = startedAt;
  }

  async settled(): Promise<void> {
    await this.#journal.settled();
  }

  stop(): void {
    this.#journal.stop();
  }

  #decide(command: PoolCommand): PoolDecision {
    return decidePool(this.#state, command, this.#services.limits);
  }

  #apply(events: readonly PoolEvent[]): void {
    for (const event of events) this.#state = evolvePool(this.#state, event);
  }

  #saveSnapshot(): void {
    const { seq, key, idle } = this.#journal;
    if (seq - this.#snapshotSeq < snapshotEvery || !idle) return;
    this.#snapshotSeq = seq;
    // A cache: one that could not be saved costs a longer load, nothing else.
    const snapshot = { seq, data: encodePoolSnapshot(this.#state) };
    void this.#services.ports.log.journals.saveSnapshot(key, snapshot).catch(() => undefined);
  }
}

/** Snapshot plus newer entries; the same as folding everything. */
export async function loadPool(
  services: Pick<Services, "ports">,
  name: string,
): Promise<{ readonly state: PoolState; readonly seq: number }> {
  const { log } = services.ports;
  const key = poolKeyOf(name);
  const saved = await log.journals.loadSnapshot(key);
  const from = saved === undefined ? undefined : decodePoolSnapshot(saved.data);
  let state = from ?? initialPoolState;
  let seq = from === undefined ? 0 : (saved?.seq ?? 0);
  for await (const page of readJournal(log, key, seq)) {
    for (const entry of page) {
      state = evolvePool(state, decodePoolEvent(entry.data));
      seq = entry.seq;
    }
  }
  return { state, seq };
}

/** Raised whenever PoolState changes its shape. */
const shapeVersion = 1;
type Stored = {
  readonly version: number;
  readonly state: Omit<PoolState, "members" | "open" | "node"> & { readonly node: string | null };
  readonly members: readonly PoolMember[];
  readonly open: readonly (readonly [number, Omit<Open, "member"> & { readonly member: string | null }])[];
};

export function encodePoolSnapshot({ members, open, node, ...state }: PoolState): Uint8Array {
  const stored: Stored = {
    version: shapeVersion,
    state: { ...state, node: node ?? null },
    members: [...members.values()],
    open: Array.from(open, ([item, one]) => [item, { ...one, member: one.member ?? null }] as const),
  };
  return pack(stored);
}

/** Undefined: not of this version; fold the whole journal instead. */
export function decodePoolSnapshot(data: Uint8Array): PoolState | undefined {
  const stored = unpack(data) as Stored;
  if (stored.version !== shapeVersion) return undefined;
  return {
    ...stored.state,
    node: stored.state.node ?? undefined,
    members: new Map(stored.members.map((member) => [member.id, member])),
    open: new Map(stored.open.map(([item, one]) => [item, { ...one, member: one.member ?? undefined }])),
  };
}
