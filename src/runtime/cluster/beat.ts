/**
 * Beats as bytes: schemas/weir/v1/cluster.proto. What another release adds is passed over, what it leaves out is
 * nothing; what is no beat at all is undefined.
 *
 * Pure.
 * @module
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { NodeProtocol } from "../../actors/node/events.ts";
import type { SaidStatus } from "../../actors/node/machine.ts";
import { type NodeBeat, NodeBeatSchema, type NodeLoad as StoredLoad } from "../../protocol/gen/weir/v1/cluster_pb.js";
import type { NodeInfo, NodeLoad } from "./membership.ts";

/** `status`: what the node says of itself. */
export type Beat = NodeInfo & { readonly status: SaidStatus; readonly cause: string };

/**
 * Releases of the protocol between nodes that this version speaks. Each release that changes what nodes say to each
 * other raises `max`, and goes on speaking the one before it: neighbours work together.
 */
export const nodeProtocol: NodeProtocol = { min: 1, max: 1 };

export function overlap(a: NodeProtocol, b: NodeProtocol): boolean {
  return a.min <= b.max && b.min <= a.max;
}

const bytesMax = 8_192;
const saidStatuses = ["joining", "healthy", "unhealthy", "draining", "left"] as const satisfies readonly SaidStatus[];

export function encodeBeat({ protocol, startedAt, load, zone = "", location, ...rest }: Beat): Uint8Array {
  const { connections, sessions, residentBytes, acceleratorFreeBytes, ...rates } = load;
  return toBinary(
    NodeBeatSchema,
    create(NodeBeatSchema, {
      ...rest,
      zone,
      protocolMin: protocol.min,
      protocolMax: protocol.max,
      startedAtMs: BigInt(startedAt),
      load: {
        ...rates,
        connections: BigInt(connections),
        sessions: BigInt(sessions),
        residentBytes: BigInt(residentBytes),
        ...(acceleratorFreeBytes === undefined ? {} : { acceleratorFreeBytes: BigInt(acceleratorFreeBytes) }),
      },
      ...(location ?? {}),
    }),
  );
}

export function decodeBeat(data: Uint8Array): Beat | undefined {
  const read = data.byteLength > bytesMax ? undefined : parsed(data);
  if (read === undefined || read.node === "" || read.incarnation === "") return undefined;
  const { node, incarnation, url, http, version, cause, weight, zone, latitude, longitude } = read;
  return {
    ...{ node, incarnation, url, http, version, cause, weight },
    protocol: { min: read.protocolMin, max: read.protocolMax },
    startedAt: Number(read.startedAtMs),
    // One that this release does not know is none to send clients to.
    status: saidStatuses.find((status) => status === read.status) ?? "unhealthy",
    load: loadOf(read.load),
    ...(zone === "" ? {} : { zone }),
    ...(latitude === undefined || longitude === undefined ? {} : { location: { latitude, longitude } }),
  };
}

function parsed(data: Uint8Array): NodeBeat | undefined {
  try {
    return fromBinary(NodeBeatSchema, data);
  } catch {
    return undefined;
  }
}

function loadOf(stored: StoredLoad | undefined): NodeLoad {
  const free = stored?.acceleratorFreeBytes;
  return {
    connections: Number(stored?.connections ?? 0),
    sessions: Number(stored?.sessions ?? 0),
    cpu: stored?.cpu ?? 0,
    loopDelayMs: stored?.loopDelayMs ?? 0,
    residentBytes: Number(stored?.residentBytes ?? 0),
    bytesInPerSecond: stored?.bytesInPerSecond ?? 0,
    bytesOutPerSecond: stored?.bytesOutPerSecond ?? 0,
    ...(free === undefined ? {} : { acceleratorFreeBytes: Number(free) }),
  };
}
