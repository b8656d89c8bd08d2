import { describe, expect, test } from "bun:test";
import type { SessionEvent } from "../../../src/actors/session/events.ts";
import { encodeEvent } from "../../../src/actors/session/persist.ts";
import { Journal } from "../../../src/runtime/journal.ts";
import { type LifecycleEvent, lifecycleEvents } from "../../../src/runtime/lifecycle/fact.ts";
import { Lifecycle, lifecycleProducer } from "../../../src/runtime/lifecycle/lifecycle.ts";
import type { EventLog, LogFailure } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { Counters } from "../../../src/runtime/metrics.ts";
import type { Clock } from "../../../src/runtime/ports.ts";
import { EndedJournals } from "../../../src/runtime/session/ended-journals.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { attached, detached, opened, subscribed } from "../../support/session-events.ts";

const clock = systemClock();
/** Waits are over at once. */
const hurried: Clock = { ...clock, after: (_delayMs, wake) => clock.after(0, wake) };
const key = { kind: "session", id: "s" };
const acknowledged: SessionEvent = { type: "Acknowledged", at: 0, filters: [] };
const away: LogFailure = { ok: false, code: "unavailable", message: "away", retryable: true };

const newLog = (): EventLog => openMemoryLog({ clock, epoch: "e" });
function lifecycleOn(log: EventLog, events: readonly LifecycleEvent[] = lifecycleEvents) {
  const lines: string[] = [];
  const logger = { log: (_: string, event: string) => void lines.push(event) };
  const counters = new Counters();
  return { lines, counters, lifecycle: new Lifecycle({ log, clock: hurried, logger, counters, events }) };
}

/** As a session writes it. */
function journalOn(log: EventLog, lifecycle: Lifecycle, seq = 0) {
  const written = (first: number, entries: readonly Uint8Array[]): void => lifecycle.written(key.id, first, entries);
  const journal = new Journal(log, clock, { key, seq, written });
  return (...events: SessionEvent[]) => journal.append(events.map(encodeEvent));
}

type Told = { readonly event: string; readonly seq: number; readonly subject: string };
async function told(log: EventLog): Promise<string[]> {
  const request = { filter: "$lifecycle.>", after: 0, recordsMax: 1_000, bytesMax: 1e9 };
  const { records } = await log.read(request);
  return records.map(({ payload }) => {
    const { event, seq, subject } = JSON.parse(new TextDecoder().decode(payload)) as Told;
    return `${seq} ${event} ${subject}`;
  });
}

describe("Lifecycle", () => {
  test("tells what is written, in order and numbered like the journal, and passes over the rest", async () => {
    const log = newLog();
    const { lifecycle, counters } = lifecycleOn(log);
    const append = journalOn(log, lifecycle);
    await append(opened, attached);
    await append(acknowledged);
    await append(subscribed("a"), acknowledged, detached);
    await lifecycle.stop();
    expect(await told(log)).toEqual(["1 opened ada", "2 attached ada", "4 subscribed ada", "6 detached ada"]);
    expect(counters.lifecycleRecords).toBe(4);
    expect(await log.producerMark(lifecycleProducer("s"))).toBe(6);
  });

  test("tells only the events that are asked for", async () => {
    const log = newLog();
    const { lifecycle } = lifecycleOn(log, ["detached"]);
    await journalOn(log, lifecycle)(opened, attached, detached);
    await lifecycle.stop();
    expect(await told(log)).toEqual(["3 detached ada"]);
  });

  test("loaded() tells from the journal what nobody told, once, however many nodes look", async () => {
    const log = newLog();
    const entries = [opened, attached, acknowledged, subscribed("a"), detached].map(encodeEvent);
    await log.journals.append({ key, expected: 0, entries });
    const first = lifecycleOn(log);
    await first.lifecycle.stop(); // It dies before it has told anything.
    const nodes = [lifecycleOn(log), lifecycleOn(log)];
    for (const { lifecycle } of nodes) lifecycle.loaded("s", { seq: 5 });
    await Promise.all(nodes.map(({ lifecycle }) => lifecycle.told("s")));
    expect(await told(log)).toEqual(["1 opened ada", "2 attached ada", "4 subscribed ada", "5 detached ada"]);
  });

  test("goes on after loaded() with what is written then", async () => {
    const log = newLog();
    await log.journals.append({ key, expected: 0, entries: [opened, attached].map(encodeEvent) });
    const { lifecycle } = lifecycleOn(log);
    lifecycle.loaded("s", { subject: "ada", seq: 2 });
    const append = journalOn(log, lifecycle, 2);
    await append(detached);
    await lifecycle.told("s");
    await append({ ...attached, owner: 2 } as SessionEvent);
    await lifecycle.told("s");
    expect(await told(log)).toEqual(["1 opened ada", "2 attached ada", "3 detached ada", "4 attached ada"]);
  });

  test("a log that refuses is asked until it takes it: nothing is lost, nothing out of order, nothing twice", async () => {
    const log = newLog();
    let refusals = 3;
    const { append } = log;
    log.append = (request) =>
      request.numbered !== undefined && refusals-- > 0 ? Promise.resolve(away) : append.call(log, request);
    const { lifecycle, lines } = lifecycleOn(log);
    const write = journalOn(log, lifecycle);
    await write(opened, attached);
    for (let i = 0; i < 20; i++) await write(subscribed(`a${i}`));
    await lifecycle.told("s");
    const expected = Array.from({ length: 20 }, (_, i) => `${i + 3} subscribed ada`);
    expect(await told(log)).toEqual(["1 opened ada", "2 attached ada", ...expected]);
    expect(lines.length).toBe(3);
  });

  test("an answer that is lost is no reason to tell twice", async () => {
    const log = newLog();
    let losses = 2;
    const { append } = log;
    log.append = async (request) => {
      const result = await append.call(log, request);
      return request.numbered !== undefined && losses-- > 0 ? away : result;
    };
    const { lifecycle } = lifecycleOn(log);
    const write = journalOn(log, lifecycle);
    await write(opened, attached);
    await write(detached);
    await lifecycle.told("s");
    expect(await told(log)).toEqual(["1 opened ada", "2 attached ada", "3 detached ada"]);
  });

  test("what is written in any moment is told, also while it comes to its end", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const log = newLog();
      const { lifecycle } = lifecycleOn(log);
      const entries = [[opened, attached], [detached]].map((events) => events.map(encodeEvent));
      await log.journals.append({ key, expected: 0, entries: entries.flat() });
      const answered = Promise.withResolvers<void>();
      const { append } = log;
      log.append = async (request) => {
        const result = await append.call(log, request);
        answered.resolve();
        return result;
      };
      lifecycle.written("s", 1, entries[0] ?? []);
      await answered.promise;
      for (let i = 0; i < turns; i++) await Promise.resolve();
      lifecycle.written("s", 3, entries[1] ?? []);
      await lifecycle.stop();
      expect(await told(log)).toEqual(["1 opened ada", "2 attached ada", "3 detached ada"]);
    }
  });

  test("more entries than it keeps are read from the journal", async () => {
    const log = newLog();
    const { lifecycle } = lifecycleOn(log);
    const write = journalOn(log, lifecycle);
    await Promise.all([
      write(opened, attached),
      ...Array.from({ length: 1_500 }, (_, i) => write(subscribed(`a${i}`))),
    ]);
    await lifecycle.told("s");
    const records = await log.read({ filter: "$lifecycle.>", after: 0, recordsMax: 10_000, bytesMax: 1e9 });
    expect(records.records.map(({ id }) => id)).toEqual(
      Array.from({ length: 1_502 }, (_, i) => `lifecycle/s/${i + 1}`),
    );
  });
});

describe("EndedJournals", () => {
  test("sweep() removes no journal before it is told, and its producer with it", async () => {
    const log = newLog();
    await log.journals.append({ key, expected: 0, entries: [opened, attached, detached].map(encodeEvent) });
    const { lifecycle } = lifecycleOn(log, ["detached"]);
    const ended = new EndedJournals(log, lifecycle);
    await ended.note("s", 0);
    expect(await ended.sweep(1_000, 0)).toBe(1);
    expect(await told(log)).toEqual(["3 detached ada"]);
    expect(await log.journals.lastSeq(key)).toBe(0);
    expect(await log.producerMark(lifecycleProducer("s"))).toBeUndefined();
  });

  test("sweep() keeps what a node that stops cannot tell any more", async () => {
    const log = newLog();
    await log.journals.append({ key, expected: 0, entries: [opened, detached].map(encodeEvent) });
    const { lifecycle } = lifecycleOn(log);
    const ended = new EndedJournals(log, lifecycle);
    await ended.note("s", 0);
    await lifecycle.stop();
    expect(await ended.sweep(1_000, 0)).toBe(0);
    expect(await log.journals.lastSeq(key)).toBe(2);
  });
});
