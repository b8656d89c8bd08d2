/**
 * A membership that says what a test wants, for what is decided by it.
 */
import type { Member, Membership, NodeLoad } from "../../../src/runtime/cluster/membership.ts";

const idle: NodeLoad = {
  ...{ connections: 0, sessions: 0, cpu: 0, loopDelayMs: 1, residentBytes: 0 },
  ...{ bytesInPerSecond: 0, bytesOutPerSecond: 0 },
};

export function member(
  node: string,
  fields: Partial<Omit<Member, "load">> & { load?: Partial<NodeLoad> } = {},
): Member {
  return {
    ...{ node, incarnation: "1", url: `ws://${node}.example/`, http: `http://${node}.example/`, version: "0.1.0" },
    ...{ protocol: { min: 1, max: 1 }, status: "healthy", since: 0, startedAt: 0, weight: 1 },
    ...{ cause: "takes clients", compatible: true },
    ...fields,
    load: { ...idle, ...fields.load },
  };
}

export class Members implements Pick<Membership, "self" | "members" | "member" | "onChange"> {
  #members: readonly Member[];
  readonly #self: string;
  readonly #listeners: ((member: Member) => void)[] = [];

  /** The first one is this node. */
  constructor(...members: readonly Member[]) {
    this.#members = members;
    this.#self = members[0]?.node ?? "";
  }

  get self(): Member {
    return this.member(this.#self) ?? member(this.#self);
  }
  members(): readonly Member[] {
    return this.#members;
  }
  member(node: string): Member | undefined {
    return this.#members.find((one) => one.node === node);
  }
  onChange(listener: (member: Member) => void): { stop(): void } {
    this.#listeners.push(listener);
    return { stop: () => undefined };
  }

  /** A beat of it: what is not said is as at its start. */
  beats(node: string, fields: Parameters<typeof member>[1]): void {
    const before = this.member(node);
    const now = member(node, fields);
    this.#members = this.#members.map((one) => (one.node === node ? now : one));
    if (before?.status !== now.status) for (const listener of this.#listeners) listener(now);
  }
}
