/**
 * What a pool is, as its journal tells it, and the fold that says so.
 *
 * Pure and total: what was recorded happened.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import type { PoolEvent, PoolMember } from "./events.ts";
import { type PoolSettings, poolDefaults } from "./settings.ts";

/** A record that is not settled. */
export type Open = {
  readonly attempts: number;
  /** Who had it when that was written; undefined: it waited. */
  readonly member: string | undefined;
  /** 0: at once. */
  readonly dueAt: EpochMs;
  readonly reason: string;
};

export type PoolState = {
  readonly status: "none" | "active" | "draining" | "deleted";
  readonly settings: PoolSettings;
  readonly createdAt: EpochMs;
  /** Count of coordinators so far; fences the older ones. */
  readonly term: number;
  /** Node that gives out the work; undefined: none, it let go. */
  readonly node: string | undefined;
  readonly members: ReadonlyMap<string, PoolMember>;
  readonly epoch: LogEpoch;
  /** Everything up to here is settled, but what is open. */
  readonly upTo: Seq;
  /** Nothing above was given out. */
  readonly reserved: Seq;
  readonly open: ReadonlyMap<Seq, Open>;
  readonly done: number;
  readonly failed: number;
  readonly deadLettered: number;
  /** Members that are wanted; 0: nobody has said it. */
  readonly wanted: number;
};

const none = new Map<never, never>();

export const initialPoolState: PoolState = {
  status: "none",
  settings: { ...poolDefaults, filters: [] },
  createdAt: 0,
  term: 0,
  node: undefined,
  members: none,
  epoch: "",
  upTo: 0,
  reserved: 0,
  open: none,
  done: 0,
  failed: 0,
  deadLettered: 0,
  wanted: 0,
};

export function evolvePool(state: PoolState, event: PoolEvent): PoolState {
  switch (event.type) {
    case "Created": {
      const { at: createdAt, settings, epoch, after } = event;
      const { term } = state;
      return { ...initialPoolState, status: "active", term, createdAt, settings, epoch, upTo: after, reserved: after };
    }
    case "Configured":
      return { ...state, settings: event.settings };
    case "Claimed":
      return { ...state, term: event.term, node: event.node };
    case "Released":
      return { ...state, node: undefined };
    case "MemberJoined":
      return { ...state, members: new Map(state.members).set(event.member.id, event.member) };
    case "MemberLeft":
      return { ...state, members: without(state.members, event.member) };
    case "WeightChanged":
      return withMember(state, event.member, { weight: event.weight });
    case "MemberDrained":
      return withMember(state, event.member, { draining: true });
    case "Progressed":
      return progressed(state, event);
    case "Failed": {
      const { item, attempt: attempts, dueAt, reason } = event;
      const open = new Map(state.open).set(item, { attempts, member: undefined, dueAt, reason });
      return { ...state, open, failed: state.failed + 1 };
    }
    case "DeadLettered":
      return { ...state, open: without(state.open, event.item), deadLettered: state.deadLettered + 1 };
    case "Trimmed": {
      const upTo = Math.max(state.upTo, event.first - 1);
      const reserved = Math.max(state.reserved, upTo);
      return { ...state, upTo, reserved, open: onlyOpen(state, (item) => item >= event.first) };
    }
    case "Repositioned": {
      const { epoch, after, heldTo } = event;
      const open = onlyOpen(state, (item) => item <= heldTo && item <= after);
      return { ...state, epoch, upTo: after, reserved: after, open };
    }
    case "Scaled":
      return { ...state, wanted: event.to };
    case "DrainBegan":
      return { ...state, status: "draining" };
    case "DrainEnded":
      return { ...state, status: "active" };
    case "Deleted":
      return { ...state, status: "deleted", node: undefined, members: none, open: none };
    default:
      return unreachable(event);
  }
}

function progressed(state: PoolState, event: Extract<PoolEvent, { type: "Progressed" }>): PoolState {
  const open = new Map<Seq, Open>();
  for (const { item, attempts, member } of event.open) {
    const before = state.open.get(item);
    const waits = member === undefined && before !== undefined && before.attempts === attempts;
    const { dueAt, reason } = waits ? before : { dueAt: 0, reason: "" };
    open.set(item, { attempts, member, dueAt, reason });
  }
  const { upTo, reserved } = event;
  return { ...state, upTo, reserved: Math.max(reserved, state.reserved), open, done: state.done + event.done };
}

function onlyOpen({ open }: PoolState, holds: (item: Seq) => boolean): PoolState["open"] {
  return new Map([...open].filter(([item]) => holds(item)));
}

function withMember(state: PoolState, id: string, changes: Partial<PoolMember>): PoolState {
  const member = state.members.get(id);
  if (member === undefined) return state;
  return { ...state, members: new Map(state.members).set(id, { ...member, ...changes }) };
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!map.has(key)) return map;
  const next = new Map(map);
  next.delete(key);
  return next;
}
