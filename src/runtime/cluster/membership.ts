/**
 * Who else is there: every node that shares the log, what it says of itself, and what this node thinks of it.
 *
 * An opinion, made of beats on the bus: good for choosing where clients go, never for what is true. What counts is
 * fencing in the log.
 *
 * Types only.
 * @module
 */
import type { NodeProtocol, NodeStatus } from "../../actors/node/events.ts";
import type { EpochMs } from "../../protocol/ids.ts";

export type { NodeStatus } from "../../actors/node/events.ts";

export type NodeLoad = {
  readonly connections: number;
  /** In its memory, attached or waiting to be resumed. */
  readonly sessions: number;
  /** Share of the machine's cores that the process uses, 0 to 1. */
  readonly cpu: number;
  /** How late its event loop was, 99 of 100 times at most, since the beat before. */
  readonly loopDelayMs: number;
  readonly residentBytes: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  /** Where the configuration says how to learn it. */
  readonly acceleratorFreeBytes?: number;
};

/** What a node says of itself in each beat. */
export type NodeInfo = {
  /** Name, one living node has it. */
  readonly node: string;
  /** Of this start: another one is another process. */
  readonly incarnation: string;
  /** That clients dial. */
  readonly url: string;
  /** Of its HTTP API. */
  readonly http: string;
  readonly version: string;
  /** Releases of the protocol between nodes that it speaks. */
  readonly protocol: NodeProtocol;
  readonly startedAt: EpochMs;
  readonly load: NodeLoad;
  /** Share of clients that it wants, beside the others'. */
  readonly weight: number;
  readonly zone?: string;
  readonly location?: { readonly latitude: number; readonly longitude: number };
};

export type Member = NodeInfo & {
  readonly status: NodeStatus;
  /** When it came into this status, as this node saw it. */
  readonly since: EpochMs;
  /** Why, in words. */
  readonly cause: string;
  /** Its releases and ours do not overlap: nothing is to be asked of it. */
  readonly compatible: boolean;
};

export type Membership = {
  readonly self: Member;
  /** This node too, in order of their names. */
  members(): readonly Member[];
  member(node: string): Member | undefined;
  /** Called when a member comes, changes its status or its process; not for each beat. */
  onChange(listener: (member: Member) => void): { stop(): void };
  /**
   * Called once when a node is gone for sure: it is not heard, and its lease is over or given back. What it had may be
   * taken; the log says whether it was still its own.
   */
  onLost(listener: (node: string) => void): { stop(): void };
  /** Whether what another node has must be left to it. */
  isAlive(node: string): Promise<boolean>;
  /** False: this node could not renew its lease for long, others may take what it has. It takes nothing new. */
  readonly serves: boolean;
};
