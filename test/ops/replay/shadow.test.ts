/**
 * The shadow run: the same version decides the same, another setting is seen where it matters, and golden segments of
 * every released version are still decided as they were.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timeline } from "../../../src/ops/replay/inspect.ts";
import { recordSegment } from "../../../src/ops/replay/record.ts";
import type { Segment } from "../../../src/ops/replay/segment.ts";
import { readSegment } from "../../../src/ops/replay/segment-file.ts";
import { shadowRun } from "../../../src/ops/replay/shadow-run.ts";
import { whyOf } from "../../../src/ops/replay/why.ts";
import { ReplayStage } from "./stage.ts";
import { tell } from "./story.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-shadow-"));
afterAll(() => rmSync(folder, { recursive: true }));
const golden = join(import.meta.dir, "../../golden/segments");
const testMs = 120_000;

async function segmentOf(stage: ReplayStage, name: string, anonymise = false): Promise<Segment> {
  const path = join(folder, name);
  await recordSegment(stage.log, path, { now: stage.clock.nowMs, anonymise });
  return await readSegment(path);
}

describe("shadowRun()", () => {
  test("decides as it was recorded: returns, dead letters, refusals, transactions, a resume, an expiry", async () => {
    const { stage } = tell();
    const report = await shadowRun(await segmentOf(stage, "same"));
    expect(report.differences).toEqual([]);
    expect(report.skipped).toEqual([]);
    expect(report.decided).toBeGreaterThan(20);
    expect((await shadowRun(await segmentOf(stage, "hidden", true))).differences).toEqual([]);
  });

  test("with more tries allowed says which dead letter is none now", async () => {
    const stage = new ReplayStage({ limits: { maxDeliver: 1 } });
    const [publisher, worker] = [stage.client("publisher"), stage.client("worker")];
    let failures = 0;
    worker.client.subscribe("jobs.>", { qos: 1 }, (record) => {
      if (record.text() === "b" && failures++ === 0) throw new Error("database away");
    });
    stage.pass(100);
    for (const text of ["a", "b", "c"]) stage.publish(publisher, "jobs.x", text);
    stage.pass(5_000);
    const segment = await segmentOf(stage, "tries");
    expect((await shadowRun(segment)).differences).toEqual([]);
    const { differences } = await shadowRun(segment, { limits: { maxDeliver: 10 } });
    expect(differences).toHaveLength(1);
    expect(differences[0]).toMatchObject({ session: stage.sessionOf("worker"), seq: 4 });
    expect(differences[0]?.sentence).toMatch(/recorded DeadLettered ".*after 1 try: database away"; now Nacked/);
  });

  test("does again that a client fell silent: the gateway itself gives it up, for the same cause", async () => {
    const stage = new ReplayStage({ limits: { heartbeatMs: 1_000, pongMs: 500 } });
    const silent = stage.client("silent");
    silent.client.subscribe("news.*", { qos: 1 }, () => undefined);
    stage.pass(700);
    const key = { kind: "session", id: stage.sessionOf("silent") };
    silent.mute();
    stage.pass(20_000);
    const detached = (await timeline(stage.log, key, { max: 99 })).find(({ type }) => type === "Detached");
    expect(detached?.event).toMatchObject({ cause: "heartbeatTimeout", details: { closeCode: 4001 } });
    const [finding] = await whyOf(stage.log, key);
    expect(finding).toMatchObject({ cause: "heartbeatTimeout", setting: "websocket.limits.pongMs" });
    const segment = await segmentOf(stage, "silent");
    expect((await shadowRun(segment)).differences).toEqual([]);
    const patient = await shadowRun(segment, { limits: { heartbeatMs: 10_000, pongMs: 5_000 } });
    expect(patient.differences[0]?.sentence).toContain('recorded Detached "Detached: heartbeatTimeout');
  });

  test("does again that a client's socket took nothing: slowConsumer, and with more patience none", async () => {
    const stage = new ReplayStage({ limits: { congestedMs: 1_000 }, backpressureBytesMax: 65_536 });
    const [publisher, slow] = [stage.client("publisher"), stage.client("slow")];
    for (let i = 0; i < 8; i++) stage.publish(publisher, "bulk.a", "x".repeat(100_000));
    slow.client.subscribe("bulk.*", { qos: 1, start: "all" }, () => undefined);
    slow.stall();
    const key = { kind: "session", id: stage.sessionOf("slow") };
    stage.pass(10_000);
    const detached = (await timeline(stage.log, key, { max: 99 })).find(({ type }) => type === "Detached");
    expect(detached?.event).toMatchObject({ cause: "slowConsumer", details: { closeCode: 4002 } });
    const segment = await segmentOf(stage, "slow");
    expect((await shadowRun(segment)).differences).toEqual([]);
    const patient = await shadowRun(segment, { limits: { congestedMs: 120_000 } });
    expect(patient.differences[0]?.sentence).toContain('recorded Detached "Detached: slowConsumer');
  });

  test("closes again what an operator closed, attached or not, and lists it as not decided", async () => {
    const stage = new ReplayStage();
    const [attached, away] = [stage.client("attached"), stage.client("away")];
    for (const { client } of [attached, away]) client.subscribe("news.*", { qos: 1 }, () => undefined);
    stage.pass(500);
    stage.publish(attached, "news.a", "1");
    const sessions = [stage.sessionOf("attached"), stage.sessionOf("away")];
    away.sever();
    stage.pass(2_000);
    for (const session of sessions) expect(stage.done(stage.gateway.control().expire(session))).toBe("ended");
    stage.pass(1_000);
    away.mend();
    stage.pass(3_000);
    const report = await shadowRun(await segmentOf(stage, "operator"));
    expect(report.skipped.map(({ session, what }) => [session, what]).sort()).toEqual(
      sessions.map((session) => [session, "Closed: expiredByOperator"]).sort(),
    );
    expect(report.differences).toEqual([]);
  });

  test("with a longer resume window says which session goes on now", async () => {
    const stage = new ReplayStage({ limits: { heartbeatMs: 200, pongMs: 100, resumeWindowMs: 1_000 } });
    const away = stage.client("away");
    away.client.subscribe("news.*", { qos: 1 }, () => undefined);
    stage.pass(500);
    const before = stage.sessionOf("away");
    away.sever();
    stage.pass(3_000);
    away.mend();
    stage.pass(3_000);
    const after = stage.sessionOf("away");
    expect(after).not.toBe(before);
    const segment = await segmentOf(stage, "window");
    expect((await shadowRun(segment)).differences).toEqual([]);
    const { differences } = await shadowRun(segment, { limits: { resumeWindowMs: 60_000 } });
    expect(differences.map(({ session }) => session)).toEqual([before, after]);
    expect(differences[0]?.sentence).toMatch(/recorded Expired .*; now Attached/);
    expect(differences[1]?.sentence).toMatch(/recorded Opened .*; now it goes on as/);
  });
});

describe("golden segments", () => {
  const versions = readdirSync(golden);

  test("there are some, an empty folder is a broken check", () => expect(versions.length).toBeGreaterThan(0));

  test.each(versions.flatMap((version) => readdirSync(join(golden, version)).map((file) => `${version}/${file}`)))(
    "%s is decided as the version that recorded it decided",
    async (file) => {
      const segment = await readSegment(join(golden, file));
      const report = await shadowRun(segment);
      expect(report.differences).toEqual([]);
      expect(report.recorded).toBeGreaterThan(20);
    },
    testMs,
  );
});
