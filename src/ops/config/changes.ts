/**
 * What was changed at run time, kept in the log's key-value part: one entry for all settings, so that a change is whole
 * or is not, and every gateway on the log sees the same.
 * @module
 */
import { z } from "zod";
import type { Follow, KeyValue } from "../../runtime/log/event-log.ts";
import type { Given } from "./sources.ts";

const key = "settings";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const keptSchema = z.record(z.string(), z.object({ value: z.unknown(), who: z.string(), at: z.number() }));
export type Kept = Readonly<Record<string, { readonly value: unknown; readonly who: string; readonly at: number }>>;
export type KeptChanges = { readonly kept: Kept; readonly revision: number };

const none: KeptChanges = { kept: {}, revision: 0 };

export async function readChanges(keyValue: KeyValue): Promise<KeptChanges> {
  const entry = await keyValue.get(key);
  if (entry === undefined) return none;
  return { kept: keptSchema.parse(JSON.parse(decoder.decode(entry.value))) as Kept, revision: entry.revision };
}

/** The new revision. Undefined: somebody else changed it since `revision`; throws when the log does not take it. */
export async function writeChanges(keyValue: KeyValue, { kept, revision }: KeptChanges): Promise<number | undefined> {
  const result = await keyValue.put(key, encoder.encode(JSON.stringify(kept)), { expected: revision });
  if (result.ok) return result.revision;
  if (result.code === "conflict") return undefined;
  throw new Error(result.message);
}

export function watchChanges(keyValue: KeyValue, onChange: (revision: number) => void): Follow {
  return keyValue.watch(key, (change) => {
    if (change.key === key) onChange(change.revision);
  });
}

/** Begins the origin of such a setting. */
export const changedBy = "changed by";

/** As a source that stands above all others. */
export function givenBy(kept: Kept): readonly Given[] {
  return Object.entries(kept).map(([setting, { value, who }]) => ({ setting, value, where: `${changedBy} ${who}` }));
}
