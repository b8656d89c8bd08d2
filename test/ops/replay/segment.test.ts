/**
 * Segments: what is exported is what is read, damage is told, anonymising keeps the structure and nothing else.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { decodeEvent, encodeEvent } from "../../../src/actors/session/persist.ts";
import { Anonymiser } from "../../../src/ops/replay/anonymise.ts";
import { listActors, timeline } from "../../../src/ops/replay/inspect.ts";
import { whoHas } from "../../../src/ops/replay/ledger.ts";
import { playRecords } from "../../../src/ops/replay/play.ts";
import type { ReadableLog } from "../../../src/ops/replay/readable-log.ts";
import { recordSegment } from "../../../src/ops/replay/record.ts";
import { segmentLog } from "../../../src/ops/replay/segment.ts";
import { readSegment } from "../../../src/ops/replay/segment-file.ts";
import { whyOf } from "../../../src/ops/replay/why.ts";
import type { LogRecord } from "../../../src/runtime/log/event-log.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { tell } from "./story.ts";

const story = tell();
const { stage, worker, seqs } = story;
const folder = mkdtempSync(join(tmpdir(), "weir-segment-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "story.weir");
const written = await recordSegment(stage.log, path, { now: stage.clock.nowMs });

async function everything(log: ReadableLog, filter: string): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const clock = new ManualClock();
  await playRecords(log, { filter, pace: "max", clock }, (page) => void records.push(...page));
  return records;
}

describe("readSegment()", () => {
  test("gives the records and journals that were there, so that every question is answered alike", async () => {
    const log = segmentLog(await readSegment(path));
    for (const filter of [">", "$dead.>", "jobs.*"])
      expect(await everything(log, filter)).toEqual(await everything(stage.log, filter));
    const key = { kind: "session", id: worker };
    for (const on of [log, stage.log] as const)
      expect([
        await listActors(on, { kind: "session", max: 9 }),
        await timeline(on, key, { max: 99 }),
        await whyOf(on, key),
        await whoHas(on, "jobs.b", seqs.poison),
      ]).toEqual([
        await listActors(stage.log, { kind: "session", max: 9 }),
        await timeline(stage.log, key, { max: 99 }),
        await whyOf(stage.log, key),
        await whoHas(stage.log, "jobs.b", seqs.poison),
      ]);
    expect(written.records).toBe((await everything(log, ">")).length + (await everything(log, "$dead.>")).length);
  });

  test("reads backward, by topic and by time as the log does", async () => {
    const log = segmentLog(await readSegment(path));
    const backward = { filter: ">", after: 0, backward: true, recordsMax: 2, bytesMax: 1_000 };
    expect(await log.read(backward)).toEqual(await stage.log.read(backward));
    expect(await log.lastPerTopic(">", 0, 10)).toEqual(await stage.log.lastPerTopic(">", 0, 10));
    const [first] = await everything(log, "news.*");
    const { time = 0, seq } = first ?? {};
    expect(seq).toBe(await log.seqAtTime(time));
  });

  test("refuses a file that was cut, changed, or is no segment, and says so", async () => {
    const whole = readFileSync(path);
    const damaged = async (name: string, bytes: Uint8Array): Promise<unknown> => {
      const at = join(folder, name);
      writeFileSync(at, bytes);
      return await readSegment(at).catch((error: Error) => error.message);
    };
    expect(await damaged("cut", whole.subarray(0, whole.length - 40))).toContain("unexpected end of file");
    const lines = gunzipSync(whole).toString().split("\n");
    expect(await damaged("short", gzipSync(lines.slice(0, -3).join("\n")))).toContain("was cut");
    const changed = lines.map((line) => line.replace('"jobs.b"', '"jobs.c"')).join("\n");
    expect(await damaged("changed", gzipSync(changed))).toContain("digest does not hold");
    expect(await damaged("other", gzipSync("{}\n"))).toContain("not the header");
    expect(await damaged("newer", gzipSync('{"weir":"segment","format":2}\n'))).toContain("use a newer Weir");
    expect(await damaged("text", Buffer.from("hello"))).toContain("cannot be read as a segment");
    expect(await readSegment(join(folder, "none")).catch((error: Error) => error.message)).toContain("ENOENT");
  });

  test("holds a range by time and filter, with journals up to its end", async () => {
    const part = join(folder, "part.weir");
    const until = stage.clock.startMs + 2_000;
    await recordSegment(stage.log, part, { now: stage.clock.nowMs, until, filter: "jobs.a", session: worker });
    const segment = await readSegment(part);
    expect(new Set(segment.records.map(({ topic }) => topic))).toEqual(new Set(["jobs.a"]));
    const times = segment.journals.flatMap(({ entries }) => entries.map(({ time }) => time));
    expect(Math.max(...times)).toBeLessThanOrEqual(until);
    const sessions = segment.journals.filter(({ key }) => key.kind === "session").map(({ key }) => key.id);
    expect(sessions).toEqual([worker]);
  });
});

describe("recordSegment() anonymised", () => {
  const names = [
    "jobs",
    "news",
    "worker",
    "late",
    "publisher",
    "poison",
    "cannot do",
    "staged",
    "n1/",
    worker,
    "127.0.0.1",
  ];

  test("holds none of the names and contents, and the same sizes, times, places and kinds of events", async () => {
    const at = join(folder, "anonymous.weir");
    await recordSegment(stage.log, at, { now: stage.clock.nowMs, anonymise: true });
    const [plain, hidden] = [await readSegment(path), await readSegment(at)];
    const raw = (segment: typeof plain): string =>
      [
        JSON.stringify(segment.header),
        ...segment.records.map(({ payload, ...rest }) => `${JSON.stringify(rest)} ${Buffer.from(payload).toString()}`),
        ...segment.journals.map(
          ({ key, entries }) =>
            `${JSON.stringify(key)} ${entries.map(({ data }) => Buffer.from(data).toString()).join(" ")}`,
        ),
      ].join("\n");
    for (const name of names) {
      expect(`${name} ${raw(plain).includes(name)}`).toBe(`${name} true`);
      expect(`${name} ${raw(hidden).includes(name)}`).toBe(`${name} false`);
    }
    const shape = ({ seq, time, topic, lane, payload }: LogRecord) => [
      seq,
      time,
      topic.split(".").length,
      lane,
      payload.length,
    ];
    expect(hidden.records.map(shape)).toEqual(plain.records.map(shape));
    const log = segmentLog(hidden);
    const fates = (await whoHas(log, hidden.records[2]?.topic ?? "", seqs.poison)).rows.map(({ fate, tries }) => [
      fate,
      tries,
    ]);
    expect(fates).toEqual([["deadLettered", 3]]);
  });

  test("gives equal payloads equal replacements, and another export other ones", async () => {
    const both = [join(folder, "a.weir"), join(folder, "b.weir")] as const;
    for (const at of both) await recordSegment(stage.log, at, { now: stage.clock.nowMs, anonymise: true });
    const payloads = async (at: string) =>
      (await readSegment(at)).records.map(({ payload }) => Buffer.from(payload).toString("hex"));
    const [a, b] = [await payloads(both[0]), await payloads(both[1])];
    const same = (await readSegment(path)).records.map(({ payload }) => Buffer.from(payload).toString());
    expect(a.map((one) => a.indexOf(one))).toEqual(same.map((one) => same.indexOf(one)));
    expect(a).not.toEqual(b);
  });
});

test("Anonymiser replaces an operator's own words behind the name of a cause, and keeps numbers there", () => {
  const entries = ["disconnected bob smokes", "socketClosed 1006", "expired card of bob"].map((cause, i) => ({
    ...{ seq: i + 1, time: 1 },
    data: encodeEvent({ type: "Detached", at: 1, cause }),
  }));
  const journal = new Anonymiser().journal({ key: { kind: "session", id: "s" }, entries });
  const causes = journal.entries.map(({ data }) => (decodeEvent(data) as { cause: string }).cause);
  expect(causes).toEqual([
    expect.stringMatching(/^disconnected x\w+$/),
    "socketClosed 1006",
    expect.stringMatching(/^expired x\w+$/),
  ]);
  expect(causes.join()).not.toContain("bob");
});
