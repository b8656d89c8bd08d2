/**
 * What nodes say to each other of presence, as bytes for the bus. Lists without names: there is one of them for each member.
 *
 * Pure. What another release says that this one does not understand is passed over.
 * @module
 */
import { pack, unpack } from "msgpackr";

/** [topic, session, subject, since, owner, version, data] */
export type SaidSet = readonly [string, string, string, number, number, number, (Uint8Array | null)?];
/** [topic, session, version] */
export type SaidGone = readonly [string, string, number];

/** Who speaks: node, incarnation. */
type Speaker = { readonly node: string; readonly incarnation: string };
/** All changes after `from`, up to `to`. */
export type Delta = Speaker & {
  readonly kind: "delta";
  readonly from: number;
  readonly to: number;
  readonly set: readonly SaidSet[];
  readonly gone: readonly SaidGone[];
};
/** So far it is, and has so many entries. */
export type Head = Speaker & { readonly kind: "head"; readonly to: number; readonly count: number };
/** What happened after `since`? `began`: of an answer that begins from nothing, and goes on. */
export type Ask = { readonly kind: "ask"; readonly since: number; readonly began?: number };
/**
 * `began`: it does not know any more all that went after `since`; these are the first of everything that there is, asked for
 * when it was so far. `done`: nothing follows.
 */
export type Answer = Omit<Delta, "kind"> & { readonly kind: "answer"; readonly began?: number; readonly done: boolean };
export type SpreadMessage = Delta | Head | Ask | Answer;

const release = 1;

export function encodeSpread(message: SpreadMessage): Uint8Array {
  return pack([release, message]);
}

export function decodeSpread<K extends SpreadMessage["kind"]>(
  data: Uint8Array,
  kind: K,
): Extract<SpreadMessage, { kind: K }> | undefined {
  const [spoken, message] = unpack(data) as [unknown, SpreadMessage];
  if (spoken !== release || message.kind !== kind) return undefined;
  return message as Extract<SpreadMessage, { kind: K }>;
}
