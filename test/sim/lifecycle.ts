/**
 * Judges what services are told of sessions: of every entry in a journal that they asked for, at least once, in its order,
 * and of nothing else. The simulator and the kill test bring journals and records.
 *
 * Pure.
 * @module
 */
import { decodeEvent } from "../../src/actors/session/persist.ts";
import { lifecycleEvents } from "../../src/runtime/lifecycle/fact.ts";
import type { Violation } from "./evidence.ts";

export const lifecycleFilter = "$lifecycle.>";
/** As stored, in the log's order. */
export type ToldRecord = { readonly topic: string; readonly payload: Uint8Array };
export type JournalledEntry = { readonly session: string; readonly seq: number; readonly data: Uint8Array };
type Told = { readonly session: string; readonly seq: number; readonly event: string };

const known: ReadonlySet<string> = new Set(lifecycleEvents);
const decoder = new TextDecoder();

export function checkLifecycle(journals: readonly JournalledEntry[], records: readonly ToldRecord[]): Violation[] {
  const owed = new Map<string, string>();
  for (const { session, seq, data } of journals) {
    const { type } = decodeEvent(data);
    const event = `${type.slice(0, 1).toLowerCase()}${type.slice(1)}`;
    if (known.has(event)) owed.set(`${session}/${seq}`, event);
  }
  const found: Violation[] = [];
  const told = new Set<string>();
  const newest = new Map<string, number>();
  for (const { topic, payload } of records) {
    const { session, seq, event } = JSON.parse(decoder.decode(payload)) as Told;
    const place = `${session}/${seq}`;
    if (owed.get(place) !== event || topic !== `$lifecycle.session.${event}`)
      found.push(
        violation("lifecycle true", `${topic} tells of ${event} at ${place}, where the journal has ${owed.get(place)}`),
      );
    if (!told.has(place) && seq < (newest.get(session) ?? 0))
      found.push(violation("lifecycle in order", `${place} is told after ${newest.get(session)}`));
    told.add(place);
    newest.set(session, Math.max(seq, newest.get(session) ?? 0));
  }
  for (const [place, event] of owed)
    if (!told.has(place)) found.push(violation("lifecycle told", `Nobody is told of ${event} at ${place}`));
  return found;
}

function violation(checker: string, message: string): Violation {
  return { checker, message };
}
