import { expect, test } from "bun:test";
import type { LogEpoch } from "../../../src/protocol/ids.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { EndedJournals } from "../../../src/runtime/session/ended-journals.ts";
import { systemClock } from "../../../src/runtime/system.ts";

test("sweep() removes journals of sessions that ended long enough ago, and no other", async () => {
  const log = openMemoryLog({ clock: systemClock(), epoch: "e" as LogEpoch });
  const ended = new EndedJournals(log);
  const ids = Array.from({ length: 600 }, (_, i) => `s${i}`);
  for (const id of [...ids, "open"])
    await log.journals.append({ key: { kind: "session", id }, expected: 0, entries: [new Uint8Array([1])] });
  for (const [i, id] of ids.entries()) await ended.note(id, i < 500 ? 0 : 900);

  expect(await ended.sweep(1_500, 1_000)).toBe(500);
  expect(await log.journals.list("session", "", 1_000)).toEqual([...ids.slice(500), "open"].sort());
  expect(await ended.sweep(1_500, 1_000)).toBe(0);
  expect(await ended.sweep(1_900, 1_000)).toBe(100);
  await log.close();
});
