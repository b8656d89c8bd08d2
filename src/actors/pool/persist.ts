/**
 * Pool events as their journal stores them: schemas/weir/v1/pool.proto. The only place that knows both forms.
 *
 * Pure.
 * @module
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { assert, unreachable } from "../../protocol/assert.ts";
import {
  PoolEventSchema,
  type PoolEvent as Stored,
  type PoolMember as StoredMember,
  type PoolProgressed as StoredProgress,
  type PoolSettings as StoredSettings,
} from "../../protocol/gen/weir/v1/pool_pb.js";
import type { OpenItem, PoolEvent, PoolMember } from "./events.ts";
import { type PoolSettings, poolStrategies, scalers } from "./settings.ts";

type StoredEvent = NonNullable<MessageInitShape<typeof PoolEventSchema>["event"]>;

export function encodePoolEvent(event: PoolEvent): Uint8Array {
  return toBinary(PoolEventSchema, create(PoolEventSchema, { atMs: stamp(event.at), event: toStored(event) }));
}

export function decodePoolEvent(data: Uint8Array): PoolEvent {
  const stored = fromBinary(PoolEventSchema, data);
  return fromStored(stored.event, Number(stored.atMs));
}

const stamp = (ms: number): bigint => BigInt(Math.round(ms));

function toStored(event: PoolEvent): StoredEvent {
  switch (event.type) {
    case "Created":
      return {
        case: "created",
        value: {
          settings: settingsValue(event.settings),
          epoch: event.epoch,
          after: BigInt(event.after),
          by: event.by,
        },
      };
    case "Configured":
      return { case: "configured", value: { settings: settingsValue(event.settings), by: event.by } };
    case "Claimed":
      return { case: "claimed", value: { node: event.node, term: BigInt(event.term) } };
    case "Released":
      return { case: "released", value: { term: BigInt(event.term), cause: event.cause } };
    case "MemberJoined":
      return { case: "memberJoined", value: { member: memberValue(event.member) } };
    case "MemberLeft":
      return {
        case: "memberLeft",
        value: { member: event.member, cause: event.cause, returned: BigInt(event.returned) },
      };
    case "WeightChanged":
      return { case: "weightChanged", value: { member: event.member, weight: event.weight, by: event.by } };
    case "MemberDrained":
      return { case: "memberDrained", value: { member: event.member, by: event.by } };
    case "Progressed":
      return { case: "progressed", value: progressValue(event) };
    case "Failed": {
      const { member, attempt, reason } = event;
      return {
        case: "failed",
        value: { member, attempt, reason, item: BigInt(event.item), dueAtMs: stamp(event.dueAt) },
      };
    }
    case "DeadLettered":
      return {
        case: "deadLettered",
        value: { item: BigInt(event.item), attempts: event.attempts, cause: event.cause },
      };
    case "Trimmed":
      return { case: "trimmed", value: { first: BigInt(event.first) } };
    case "Repositioned":
      return {
        case: "repositioned",
        value: { epoch: event.epoch, heldTo: BigInt(event.heldTo), after: BigInt(event.after) },
      };
    case "Scaled":
      return { case: "scaled", value: { from: event.from, to: event.to, why: event.why } };
    case "DrainBegan":
      return { case: "drainBegan", value: { by: event.by } };
    case "DrainEnded":
      return { case: "drainEnded", value: { by: event.by } };
    case "Deleted":
      return { case: "deleted", value: { by: event.by } };
    default:
      return unreachable(event);
  }
}

function fromStored(event: Stored["event"], at: number): PoolEvent {
  switch (event.case) {
    case "created": {
      const { settings, epoch, after, by } = event.value;
      return { type: "Created", at, settings: settingsFrom(settings), epoch, after: Number(after), by };
    }
    case "configured":
      return { type: "Configured", at, settings: settingsFrom(event.value.settings), by: event.value.by };
    case "claimed":
      return { type: "Claimed", at, node: event.value.node, term: Number(event.value.term) };
    case "released":
      return { type: "Released", at, term: Number(event.value.term), cause: event.value.cause };
    case "memberJoined":
      return { type: "MemberJoined", at, member: memberFrom(event.value.member) };
    case "memberLeft": {
      const { member, cause, returned } = event.value;
      return { type: "MemberLeft", at, member, cause, returned: Number(returned) };
    }
    case "weightChanged": {
      const { member, weight, by } = event.value;
      return { type: "WeightChanged", at, member, weight, by };
    }
    case "memberDrained":
      return { type: "MemberDrained", at, member: event.value.member, by: event.value.by };
    case "progressed":
      return { type: "Progressed", at, ...progressFrom(event.value) };
    case "failed": {
      const { item, member, attempt, reason, dueAtMs } = event.value;
      return { type: "Failed", at, item: Number(item), member, attempt, reason, dueAt: Number(dueAtMs) };
    }
    case "deadLettered": {
      const { item, attempts, cause } = event.value;
      return { type: "DeadLettered", at, item: Number(item), attempts, cause };
    }
    case "trimmed":
      return { type: "Trimmed", at, first: Number(event.value.first) };
    case "repositioned": {
      const { epoch, heldTo, after } = event.value;
      return { type: "Repositioned", at, epoch, heldTo: Number(heldTo), after: Number(after) };
    }
    case "scaled": {
      const { from, to, why } = event.value;
      return { type: "Scaled", at, from, to, why };
    }
    case "drainBegan":
      return { type: "DrainBegan", at, by: event.value.by };
    case "drainEnded":
      return { type: "DrainEnded", at, by: event.value.by };
    case "deleted":
      return { type: "Deleted", at, by: event.value.by };
    default:
      throw new TypeError("Entry of a pool's journal that this version does not know; a newer gateway wrote it");
  }
}

function settingsValue({ scaling, ackWaitMs, retryMs, start, filters, ...rest }: PoolSettings) {
  return {
    ...rest,
    filters: [...filters],
    ackWaitMs: BigInt(ackWaitMs),
    retryMs: BigInt(retryMs),
    startAll: start === "all",
    ...(scaling === undefined
      ? {}
      : {
          scaling: {
            ...scaling,
            command: [...scaling.command],
            latencyMs: BigInt(scaling.latencyMs),
            upCoolDownMs: BigInt(scaling.upCoolDownMs),
            downCoolDownMs: BigInt(scaling.downCoolDownMs),
          },
        }),
  };
}

function settingsFrom(stored: StoredSettings | undefined): PoolSettings {
  assert(stored !== undefined, "settings of a pool are stored");
  const { filters, stickyHeader, maxDeliver, ackWaitMs, retryMs, startAll, scaling } = stored;
  return {
    ...{ filters, stickyHeader, maxDeliver, strategy: oneOf(poolStrategies, stored.strategy) },
    ackWaitMs: Number(ackWaitMs),
    retryMs: Number(retryMs),
    start: startAll ? "all" : "new",
    ...(scaling === undefined ? {} : { scaling: scalingFrom(scaling) }),
  };
}

function scalingFrom(stored: NonNullable<StoredSettings["scaling"]>): NonNullable<PoolSettings["scaling"]> {
  const { min, max, targetRatio, latencyMs, capacity, upCoolDownMs, downCoolDownMs, by, command, url } = stored;
  return {
    ...{ min, max, targetRatio, capacity, command, url },
    by: oneOf(scalers, by),
    latencyMs: Number(latencyMs),
    upCoolDownMs: Number(upCoolDownMs),
    downCoolDownMs: Number(downCoolDownMs),
  };
}

function oneOf<T extends string>(known: readonly T[], name: string): T {
  const found = known.find((one) => one === name);
  if (found === undefined) throw new TypeError(`"${name}" is stored, which this version does not know`);
  return found;
}

function memberValue({ since, tags, ...rest }: PoolMember) {
  return { ...rest, tags: [...tags], sinceMs: stamp(since) };
}

function memberFrom(stored: StoredMember | undefined): PoolMember {
  assert(stored !== undefined, "a member of a pool is stored");
  const { id, node, session, subject, weight, capacity, tags, draining, sinceMs } = stored;
  return { id, node, session, subject, weight, capacity, tags, draining, since: Number(sinceMs) };
}

function progressValue({ upTo, reserved, open, done }: Extract<PoolEvent, { type: "Progressed" }>) {
  const members: string[] = [];
  const places = new Map<string, number>();
  let before = 0;
  const items: bigint[] = [];
  const attempts: number[] = [];
  const holders: number[] = [];
  for (const { item, attempts: tries, member } of open) {
    items.push(BigInt(item - before));
    before = item;
    attempts.push(tries);
    if (member !== undefined && !places.has(member)) places.set(member, members.push(member));
    holders.push(member === undefined ? 0 : (places.get(member) ?? 0));
  }
  const moved = { upTo: BigInt(upTo), reserved: BigInt(reserved), done: BigInt(done) };
  return { ...moved, open: items, attempts, holders, members };
}

function progressFrom({ upTo, reserved, open, attempts, holders, members, done }: StoredProgress) {
  let item = 0;
  const items = open.map((distance, index): OpenItem => {
    item += Number(distance);
    const member = members[(holders[index] ?? 0) - 1];
    return { item, attempts: attempts[index] ?? 0, ...(member === undefined ? {} : { member }) };
  });
  return { upTo: Number(upTo), reserved: Number(reserved), open: items, done: Number(done) };
}
