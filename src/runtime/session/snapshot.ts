/**
 * A session's state as a snapshot: a cache of a fold, thrown away whenever its shape is another version's.
 * @module
 */
import { pack, unpack } from "msgpackr";
import type { RefusedNumber, SessionState, SubscriptionState } from "../../actors/session/state.ts";

/** Raised whenever SessionState changes its shape. */
const shapeVersion = 4;

type Stored = {
  readonly version: number;
  readonly state: Omit<
    SessionState,
    "refused" | "subscriptions" | "node" | "lastNode" | "connection" | "endedBecause"
  > & {
    readonly node: string | null;
    readonly lastNode: string | null;
    readonly connection: string | null;
    readonly endedBecause: string | null;
  };
  readonly refused: readonly RefusedNumber[];
  readonly subscriptions: readonly (Omit<SubscriptionState, "naks"> & { readonly naks: readonly PendingNakEntry[] })[];
};
type PendingNakEntry = SubscriptionState["naks"] extends ReadonlyMap<unknown, infer Entry> ? Entry : never;

export function encodeSnapshot(state: SessionState): Uint8Array {
  const { refused, subscriptions, node, lastNode, connection, endedBecause, ...rest } = state;
  const stored: Stored = {
    version: shapeVersion,
    state: {
      ...rest,
      node: node ?? null,
      lastNode: lastNode ?? null,
      connection: connection ?? null,
      endedBecause: endedBecause ?? null,
    },
    refused: [...refused.values()],
    subscriptions: Array.from(subscriptions.values(), (held) => ({ ...held, naks: [...held.naks.values()] })),
  };
  return pack(stored);
}

/** Undefined: not of this version; fold the whole journal instead. */
export function decodeSnapshot(data: Uint8Array): SessionState | undefined {
  const stored = unpack(data) as Stored;
  if (stored.version !== shapeVersion) return undefined;
  return {
    ...stored.state,
    node: stored.state.node ?? undefined,
    lastNode: stored.state.lastNode ?? undefined,
    connection: stored.state.connection ?? undefined,
    endedBecause: stored.state.endedBecause ?? undefined,
    refused: new Map(stored.refused.map((refused) => [refused.n, refused])),
    subscriptions: new Map(
      stored.subscriptions.map((held) => [
        held.filter,
        { ...held, naks: new Map(held.naks.map((nak) => [nak.seq, nak])) },
      ]),
    ),
  };
}
