/**
 * Which kinds of actors there are, and how a person names one.
 * @module
 */
import type { ActorKey, ActorKind } from "./actor.ts";
import { connectionActor, nodeOf } from "./connection-actor.ts";
import { journalActor } from "./journal-actor.ts";
import { nodeFold } from "./node-actor.ts";
import { poolFold } from "./pool-actor.ts";
import { sessionFold } from "./session-actor.ts";

const kinds: ReadonlyMap<string, ActorKind> = new Map(
  [journalActor(sessionFold), connectionActor, journalActor(nodeFold), journalActor(poolFold)].map((kind) => [
    kind.kind,
    kind,
  ]),
);
export const actorKindNames: readonly string[] = [...kinds.keys()];

export class UnknownKindError extends Error {
  override readonly name = "UnknownKindError";
}

export function actorKindOf(kind: string): ActorKind {
  const found = kinds.get(kind);
  if (found !== undefined) return found;
  throw new UnknownKindError(`Unknown kind of actor "${kind}", expected one of: ${actorKindNames.join(", ")}`);
}

/** `session/<id>`, `connection/<id>`, `node/<name>`, `pool/<name>`; without a kind, ids of sessions and connections tell themselves. */
export function parseActor(text: string): ActorKey {
  const [kind = "", ...rest] = text.split("/");
  const id = rest.join("/");
  if (kinds.has(kind) && id !== "") return { kind, id };
  return { kind: nodeOf(text) === undefined ? "session" : "connection", id: text };
}
