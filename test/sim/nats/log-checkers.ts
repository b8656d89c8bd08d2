/**
 * Judges what nodes stored in a log that they share, by what those who asked them were answered.
 *
 * Pure.
 * @module
 */
import type { StoredRecord, Violation } from "../evidence.ts";

/** `answered`: keys of what is said to be stored. Entries of journals: `own <owner>`, `entry <owner> <key>`, `step <owner> <key>`; records of a step: `<key>.<i>`. */
export function checkLog(
  log: readonly StoredRecord[],
  journals: ReadonlyMap<string, readonly string[]>,
  answered: ReadonlySet<string>,
): readonly Violation[] {
  const counts = new Map<string, number>();
  for (const { key } of log) counts.set(key, (counts.get(key) ?? 0) + 1);
  const found: Violation[] = [];
  for (const [key, count] of counts)
    if (count > 1) found.push(violation("stored once", `${key} is in the log ${count} times`));
  for (const [id, entries] of journals) found.push(...checkJournal(id, entries));
  const written = new Set([...journals.values()].flatMap((entries) => entries.map(keyOfEntry)));
  const keys = new Set([...counts.keys()].map((key) => key.split(".")[0] as string));
  for (const key of answered)
    if (!written.has(key) && !keys.has(key))
      found.push(violation("acknowledged is stored", `${key} was acknowledged and is nowhere`));
  const steps = new Set(
    [...journals.values()]
      .flat()
      .filter((text) => text.startsWith("step "))
      .map(keyOfEntry),
  );
  for (const key of counts.keys()) {
    const [step, part] = key.split(".");
    if (part !== undefined && !steps.has(step as string))
      found.push(violation("step whole", `${key} is in the log, and its step is not in the journal`));
  }
  for (const step of steps)
    if (!counts.has(`${step}.1`)) found.push(violation("step whole", `${step} is in the journal, and has no records`));
  return found;
}

/** Each entry once; after a new owner began none of an old one. */
function checkJournal(id: string, entries: readonly string[]): Violation[] {
  const found: Violation[] = [];
  const seen = new Set<string>();
  let owner = 0;
  for (const text of entries) {
    const [kind, by, key = ""] = text.split(" ");
    const name = kind === "own" ? text : key;
    if (seen.has(name)) found.push(violation("written once", `The journal of ${id} has ${text} twice`));
    seen.add(name);
    if (Number(by) < owner) found.push(violation("fenced", `The journal of ${id} has ${text} after owner ${owner}`));
    owner = Math.max(owner, Number(by));
  }
  return found;
}

function keyOfEntry(text: string): string {
  return text.split(" ")[2] ?? "";
}

function violation(checker: string, message: string): Violation {
  return { checker, message };
}
