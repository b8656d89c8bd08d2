/**
 * Node events as their journals store them: schemas/weir/v1/node.proto. The only place that knows both forms.
 *
 * Pure.
 * @module
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { unreachable } from "../../protocol/assert.ts";
import {
  type NodeConfigured,
  NodeEventSchema,
  type NodeEvent as Stored,
  type ConnectionEnded as StoredConnection,
} from "../../protocol/gen/weir/v1/node_pb.js";
import { lossFrom, lossValue } from "../session/persist.ts";
import { type ConnectionEnded, type NodeEvent, nodeStatuses } from "./events.ts";

type StoredConfigured = Pick<NodeConfigured, "limits" | "retentionAgeMs" | "retentionBytes" | "retentionRecords">;
type StoredEvent = NonNullable<MessageInitShape<typeof NodeEventSchema>["event"]>;

export function encodeNodeEvent(event: NodeEvent): Uint8Array {
  return toBinary(NodeEventSchema, create(NodeEventSchema, { atMs: BigInt(event.at), event: toStored(event) }));
}

export function decodeNodeEvent(data: Uint8Array): NodeEvent {
  const stored = fromBinary(NodeEventSchema, data);
  return fromStored(stored.event, Number(stored.atMs));
}

function toStored(event: NodeEvent): StoredEvent {
  switch (event.type) {
    case "Started":
      return { case: "started", value: { version: event.version, ...inForceValue(event) } };
    case "Configured":
      return { case: "configured", value: inForceValue(event) };
    case "Joined": {
      const { incarnation, url, version, protocol } = event;
      const range = { protocolMin: protocol.min, protocolMax: protocol.max };
      return { case: "joined", value: { incarnation, url, version, ...range } };
    }
    case "StatusChanged": {
      const { incarnation, status, by, cause } = event;
      return { case: "statusChanged", value: { incarnation, status, by, cause } };
    }
    case "Left": {
      const { incarnation, by, cause } = event;
      return { case: "left", value: { incarnation, by, cause } };
    }
    case "Stopped":
      return { case: "stopped", value: { reason: event.reason } };
    case "ConnectionsEnded": {
      const { connections, omitted } = event;
      return {
        case: "connectionsEnded",
        value: { connections: connections.map(connectionValue), omitted: BigInt(omitted) },
      };
    }
    default:
      return unreachable(event);
  }
}

type InForce = Pick<Extract<NodeEvent, { type: "Configured" }>, "limits" | "retention">;

function inForceValue({ limits, retention }: InForce) {
  return {
    limits: Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, BigInt(value)])),
    retentionAgeMs: BigInt(retention.ageMs),
    retentionBytes: BigInt(retention.bytes),
    retentionRecords: BigInt(retention.records),
  };
}

function inForceFrom(stored: StoredConfigured): InForce {
  const { limits, retentionAgeMs, retentionBytes, retentionRecords } = stored;
  return {
    limits: Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, Number(value)])),
    retention: {
      ageMs: Number(retentionAgeMs),
      bytes: Number(retentionBytes),
      records: Number(retentionRecords),
    },
  };
}

function connectionValue({ openedAt, closedAt, details, ...rest }: ConnectionEnded) {
  return { ...rest, openedAtMs: BigInt(openedAt), closedAtMs: BigInt(closedAt), ...lossValue(details) };
}

function fromStored(event: Stored["event"], at: number): NodeEvent {
  switch (event.case) {
    case "started":
      return { type: "Started", at, version: event.value.version, ...inForceFrom(event.value) };
    case "configured":
      return { type: "Configured", at, ...inForceFrom(event.value) };
    case "joined": {
      const { incarnation, url, version, protocolMin: min, protocolMax: max } = event.value;
      return { type: "Joined", at, incarnation, url, version, protocol: { min, max } };
    }
    case "statusChanged": {
      const { incarnation, by, cause } = event.value;
      return { type: "StatusChanged", at, incarnation, status: statusOf(event.value.status), by, cause };
    }
    case "left": {
      const { incarnation, by, cause } = event.value;
      return { type: "Left", at, incarnation, by, cause };
    }
    case "stopped":
      return { type: "Stopped", at, reason: event.value.reason };
    case "connectionsEnded": {
      const { connections, omitted } = event.value;
      return { type: "ConnectionsEnded", at, connections: connections.map(connectionFrom), omitted: Number(omitted) };
    }
    default:
      throw new TypeError("Entry of a node's journal that this version does not know; a newer gateway wrote it");
  }
}

function statusOf(text: string): Extract<NodeEvent, { type: "StatusChanged" }>["status"] {
  const known = nodeStatuses.find((status) => status === text);
  // Of a newer gateway: nothing that this one could rely on.
  return known === undefined || known === "left" ? "unhealthy" : known;
}

const nothing = {
  closeCode: 0,
  silentMs: 0,
  congestedMs: 0,
  bufferedBytes: 0,
  unackedRecords: 0,
  unackedBytes: 0,
};

function connectionFrom(stored: StoredConnection): ConnectionEnded {
  const { id, session, subject, remoteAddress, codec, agent, openedAtMs, closedAtMs, cause } = stored;
  return {
    ...{ id, session, subject, remoteAddress, codec, agent, cause },
    openedAt: Number(openedAtMs),
    closedAt: Number(closedAtMs),
    details: lossFrom(stored.details).details ?? nothing,
  };
}
