/**
 * Decides what a command to a pool does: facts to record, or a rejection that goes back to who asked.
 *
 * Pure: time arrives inside the command as `at`. Owns: one coordinator at a time, counted by terms; a member once; what
 * is said of a record is said after it was given out.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import type { OpenItem, PoolEvent, PoolMember } from "./events.ts";
import { type PoolSettings, poolSettingsProblem } from "./settings.ts";
import type { PoolState } from "./state.ts";

export type PoolProgress = {
  readonly upTo: Seq;
  readonly reserved: Seq;
  readonly open: readonly OpenItem[];
  readonly done: number;
};

export type PoolCommand = { readonly at: EpochMs } & (
  | {
      readonly type: "Create";
      readonly settings: PoolSettings;
      readonly epoch: LogEpoch;
      readonly after: Seq;
      readonly by: string;
    }
  | { readonly type: "Configure"; readonly settings: PoolSettings; readonly by: string }
  | { readonly type: "Claim"; readonly node: string }
  | { readonly type: "Release"; readonly term: number; readonly cause: string }
  | { readonly type: "Join"; readonly member: PoolMember }
  | { readonly type: "Leave"; readonly member: string; readonly cause: string; readonly returned: number }
  | { readonly type: "SetWeight"; readonly member: string; readonly weight: number; readonly by: string }
  | { readonly type: "DrainMember"; readonly member: string; readonly by: string }
  | ({ readonly type: "Progress" } & PoolProgress)
  | {
      readonly type: "Fail";
      readonly progress: PoolProgress;
      readonly item: Seq;
      readonly member: string;
      readonly attempt: number;
      readonly reason: string;
      readonly dueAt: EpochMs;
    }
  | {
      readonly type: "DeadLetter";
      readonly progress: PoolProgress;
      readonly item: Seq;
      readonly attempts: number;
      readonly cause: string;
    }
  | { readonly type: "Trim"; readonly first: Seq }
  | { readonly type: "Reposition"; readonly epoch: LogEpoch; readonly heldTo: Seq; readonly after: Seq }
  | { readonly type: "Scale"; readonly to: number; readonly why: string }
  | { readonly type: "Drain"; readonly by: string }
  | { readonly type: "Resume"; readonly by: string }
  | { readonly type: "Delete"; readonly by: string }
);

export type PoolRejection =
  | "poolUnknown"
  | "poolExists"
  | "poolSettingsWrong"
  | "notMember"
  | "alreadyMember"
  | "tooManyMembers"
  | "notCoordinator";
export type PoolDecision =
  | { readonly ok: true; readonly events: readonly PoolEvent[] }
  | { readonly ok: false; readonly rejection: PoolRejection };
export type PoolLimits = { readonly poolMembersMax: number };

const nothing: PoolDecision = { ok: true, events: [] };
const refuse = (rejection: PoolRejection): PoolDecision => ({ ok: false, rejection });
const record = (...events: PoolEvent[]): PoolDecision => ({ ok: true, events });

export function decidePool(state: PoolState, command: PoolCommand, limits: PoolLimits): PoolDecision {
  if (command.type === "Create") return create(state, command);
  if (state.status === "none" || state.status === "deleted") return refuse("poolUnknown");
  const { at } = command;
  switch (command.type) {
    case "Configure":
      if (poolSettingsProblem(command.settings) !== undefined) return refuse("poolSettingsWrong");
      return record({ ...command, type: "Configured" });
    case "Claim":
      return record({ type: "Claimed", at, node: command.node, term: state.term + 1 });
    case "Release":
      if (command.term !== state.term) return refuse("notCoordinator");
      return state.node === undefined ? nothing : record({ ...command, type: "Released" });
    case "Join":
    case "Leave":
    case "SetWeight":
    case "DrainMember":
      return decideMember(state, command, limits);
    case "Progress":
      return record({ ...command, type: "Progressed" });
    case "Fail": {
      const { progress, ...failed } = command;
      return record({ type: "Progressed", at, ...progress }, { ...failed, type: "Failed" });
    }
    case "DeadLetter": {
      const { progress, ...letter } = command;
      return record({ type: "Progressed", at, ...progress }, { ...letter, type: "DeadLettered" });
    }
    case "Trim":
      return record({ ...command, type: "Trimmed" });
    case "Reposition":
      return record({ ...command, type: "Repositioned" });
    case "Scale":
      if (command.to === state.wanted) return nothing;
      return record({ type: "Scaled", at, from: state.wanted, to: command.to, why: command.why });
    case "Drain":
      return state.status === "draining" ? nothing : record({ type: "DrainBegan", at, by: command.by });
    case "Resume":
      return state.status === "active" ? nothing : record({ type: "DrainEnded", at, by: command.by });
    case "Delete":
      return record({ type: "Deleted", at, by: command.by });
    default:
      return unreachable(command);
  }
}

type Of<T extends PoolCommand["type"]> = Extract<PoolCommand, { type: T }>;

/** A pool that was deleted may be made again: another one of the same name, whose terms go on. */
function create(state: PoolState, command: Of<"Create">): PoolDecision {
  if (state.status === "active" || state.status === "draining") return refuse("poolExists");
  if (poolSettingsProblem(command.settings) !== undefined) return refuse("poolSettingsWrong");
  return record({ ...command, type: "Created" });
}

function decideMember(
  state: PoolState,
  command: Of<"Join" | "Leave" | "SetWeight" | "DrainMember">,
  limits: PoolLimits,
): PoolDecision {
  const { at } = command;
  if (command.type === "Join") {
    if (state.members.has(command.member.id)) return refuse("alreadyMember");
    if (state.members.size >= limits.poolMembersMax) return refuse("tooManyMembers");
    return record({ type: "MemberJoined", at, member: command.member });
  }
  const member = state.members.get(command.member);
  if (member === undefined) return refuse("notMember");
  switch (command.type) {
    case "Leave":
      return record({ ...command, type: "MemberLeft" });
    case "SetWeight":
      return member.weight === command.weight ? nothing : record({ ...command, type: "WeightChanged" });
    case "DrainMember":
      return member.draining ? nothing : record({ ...command, type: "MemberDrained" });
  }
}
