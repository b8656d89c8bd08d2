/**
 * The journal's part of a step, as the payload of the message that decides it.
 *
 * Pure.
 * @module
 */
import type { JournalAppend } from "../event-log.ts";
import { packEntries, unpackEntries } from "./entries.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encode({ key, expected, entries }: JournalAppend): Uint8Array {
  const about = encoder.encode(JSON.stringify([key.kind, key.id, expected]));
  return packEntries([about, ...entries]);
}

export function decode(payload: Uint8Array): JournalAppend {
  const [about, ...entries] = unpackEntries(payload);
  const [kind, id, expected] = JSON.parse(decoder.decode(about)) as [string, string, number];
  return { key: { kind, id }, expected, entries };
}
