/**
 * A pool as operators see it: what its coordinator knows, as plain data.
 *
 * Pure.
 * @module
 */
import type { PoolSettings } from "../../actors/pool/settings.ts";
import type { PoolState } from "../../actors/pool/state.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Coordinator } from "./coordinator.ts";

export type PoolMemberView = {
  readonly id: string;
  readonly node: string;
  readonly session: string;
  readonly subject: string;
  readonly weight: number;
  readonly capacity: number;
  readonly tags: readonly string[];
  /** ejected: left out for a while, because it failed too often in a row. */
  readonly health: "working" | "draining" | "ejected";
  readonly since: EpochMs;
  readonly inFlight: number;
  /** Records that wait for it and nobody else. */
  readonly waiting: number;
  readonly done: number;
  readonly failed: number;
  /** How long it takes lately. Absent: it has done nothing yet. */
  readonly responseMs?: number;
};

export type PoolView = {
  readonly name: string;
  readonly status: "active" | "draining";
  readonly settings: PoolSettings;
  readonly createdAt: EpochMs;
  /** Node that gives out the work. Absent: none now. */
  readonly coordinator?: string;
  /** Count of coordinators so far. */
  readonly term: number;
  /** Everything up to here is settled, but what is open. */
  readonly position: Seq;
  /** Records read that wait for a member. */
  readonly waiting: number;
  /** Records of the log that were not looked at yet; not all of them need be this pool's. */
  readonly behind: number;
  readonly oldestWaitMs: number;
  readonly inFlight: number;
  readonly capacity: number;
  /** Failed, and to be given out again. */
  readonly retrying: number;
  readonly done: number;
  readonly failed: number;
  readonly deadLettered: number;
  /** Since this coordinator began: given out, and of these as a later attempt. */
  readonly dispatches: number;
  readonly redispatches: number;
  /** Members that scaling wants. Absent: it does not scale. */
  readonly wanted?: number;
  readonly members: readonly PoolMemberView[];
};

export function poolView(coordinator: Coordinator): PoolView {
  const { ledger, services, store, name } = coordinator;
  const now = coordinator.now();
  const { state } = store;
  return {
    ...fromState(name, state),
    coordinator: services.node,
    position: ledger.scannedTo,
    waiting: ledger.waiting,
    behind: Math.max(0, services.hub.position - ledger.scannedTo),
    oldestWaitMs: Math.max(0, now - (ledger.oldest ?? now)),
    inFlight: ledger.inFlight,
    capacity: ledger.capacity,
    retrying: ledger.retries,
    done: state.done + ledger.untold,
    dispatches: ledger.totals.given,
    redispatches: ledger.totals.again,
    members: Array.from(ledger.slots(), ({ id, member, held, bound, done, failed, ejected, response }) => {
      const { node, session, subject, weight, capacity, tags, draining, since } = member;
      return {
        ...{ id, node, session, subject, weight, capacity, tags, since, done, failed },
        health: draining ? ("draining" as const) : ejected ? ("ejected" as const) : ("working" as const),
        inFlight: held.size,
        waiting: bound.size,
        ...(response.value === undefined ? {} : { responseMs: response.value }),
      };
    }),
  };
}

/** As the journal tells it, while no coordinator answers. */
export function fromState(name: string, state: PoolState): PoolView {
  const { status, settings, createdAt, node, term, upTo, open, done, failed, deadLettered, wanted } = state;
  const members = Array.from(state.members.values(), ({ draining, ...member }) => ({
    ...member,
    ...{ inFlight: 0, waiting: 0, done: 0, failed: 0 },
    health: draining ? ("draining" as const) : ("working" as const),
  }));
  return {
    ...{ name, settings, createdAt, term, done, failed, deadLettered, members },
    status: status === "draining" ? "draining" : "active",
    ...(node === undefined ? {} : { coordinator: node }),
    position: upTo,
    ...{ waiting: open.size, behind: 0, oldestWaitMs: 0, inFlight: 0, retrying: 0, dispatches: 0, redispatches: 0 },
    capacity: members.reduce((sum, { capacity }) => sum + capacity, 0),
    ...(settings.scaling === undefined ? {} : { wanted }),
  };
}
