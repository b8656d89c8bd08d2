/**
 * Publishes for services, which have no session: one step, and with an idempotency key at most once.
 *
 * A key is a producer of the log with the numbers 1, 2, 3 …, so what is sent again is not stored again, also when the
 * first answer was lost halfway. What was asked under a key is noted for a day, then both are forgotten.
 * @module
 */
import type { Publication, PublicationResult } from "./inspection.ts";
import type { AppendRequest, AppendResult, NewRecord } from "./log/event-log.ts";
import type { Services } from "./services.ts";

type Note = { readonly at: number; readonly digest: string; readonly seqs?: readonly number[] };

const prefix = "publication.";
export const idempotencyMs = 86_400_000;
const sweepPageMax = 256;
const idBytes = 12;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export async function publish(services: Services, publication: Publication): Promise<PublicationResult> {
  const { log, random } = services.ports;
  const { idempotencyKey: key, digest = "" } = publication;
  if (key === undefined)
    return resultOf(await append(services, { records: named(publication, `rest.${random.token(idBytes)}`) }));
  const producer = `rest.${services.ports.digest(key)}`;
  const name = prefix + producer;
  const note: Note = { at: services.ports.clock.now(), digest };
  const noted = await log.keyValue.put(name, encode(note), { expected: 0 });
  const before = noted.ok ? note : await noteOf(services, name);
  if (!noted.ok && before === undefined)
    return { ok: false, code: "unavailable", message: noted.message, retryable: true };
  if (before !== undefined && before.digest !== digest)
    return {
      ok: false,
      code: "keyUsedForAnother",
      message: "The idempotency key was used for another request",
      retryable: false,
    };
  if (before?.seqs !== undefined) return { ok: true, seqs: before.seqs, duplicate: true };
  const numbers = publication.records.map((_, index) => index + 1);
  const result = await append(services, {
    records: named(publication, producer),
    numbered: { producer, after: 0, numbers },
  });
  // Only so that a later answer can say where it is: what is stored once is decided by the numbers.
  if (result.ok && !result.duplicate) await log.keyValue.put(name, encode({ ...note, seqs: result.seqs }));
  return resultOf(result);
}

async function append({ ports, counters }: Services, request: AppendRequest): Promise<AppendResult> {
  const since = ports.clock.now();
  const result = await ports.log.append(request);
  counters.appendLatency.observe(ports.clock.now() - since);
  if (!result.ok) return result;
  if (result.duplicate) counters.recordsDuplicate += request.records.length;
  else counters.recordsPublished += request.records.length;
  return result;
}

/** Forgets the keys that are older than a day. */
export async function sweepPublications({ ports: { log, clock } }: Services): Promise<void> {
  for (let cursor = prefix; ; ) {
    const page = await log.keyValue.list(prefix, cursor, sweepPageMax);
    for (const { key, value } of page) {
      if (clock.now() - decode(value).at < idempotencyMs) continue;
      await log.forgetProducer(key.slice(prefix.length));
      await log.keyValue.delete(key);
    }
    const last = page[page.length - 1];
    if (last === undefined || page.length < sweepPageMax) return;
    cursor = last.key;
  }
}

function named({ records }: Publication, producer: string): NewRecord[] {
  return records.map((record, index) => ({ ...record, id: `${producer}/${index + 1}` }));
}

async function noteOf({ ports }: Services, name: string): Promise<Note | undefined> {
  const entry = await ports.log.keyValue.get(name);
  return entry === undefined ? undefined : decode(entry.value);
}

const encode = (note: Note): Uint8Array => encoder.encode(JSON.stringify(note));
const decode = (value: Uint8Array): Note => JSON.parse(decoder.decode(value)) as Note;

function resultOf(result: AppendResult): PublicationResult {
  if (result.ok) return { ok: true, seqs: result.seqs, duplicate: result.duplicate };
  const { message, retryable } = result;
  return { ok: false, code: result.code === "full" ? "full" : "unavailable", message, retryable };
}
