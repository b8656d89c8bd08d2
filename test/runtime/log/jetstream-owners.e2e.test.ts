/**
 * Two logs that both believe to write for one session: one of them is refused, and what a step decided is in the
 * session's journal whoever loads it next.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import type { AppendRequest, EventLog, JournalAppend } from "../../../src/runtime/log/event-log.ts";
import { Api } from "../../../src/runtime/log/jetstream/api.ts";
import { Newest } from "../../../src/runtime/log/jetstream/newest.ts";
import { Publisher, publisherDefaults } from "../../../src/runtime/log/jetstream/publisher.ts";
import { recordMessage } from "../../../src/runtime/log/jetstream/records.ts";
import { Steps } from "../../../src/runtime/log/jetstream/steps.ts";
import { namesOf, Subjects } from "../../../src/runtime/log/jetstream/subjects.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startTcpProxy } from "../../support/nats-proxy.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { logName, openLog, readAll } from "./jetstream-load.ts";
import { newRecord, texts } from "./new-record.ts";

const key = { kind: "session", id: "s" };
const testMsMax = 60_000;
const rounds = 50;

function entry(expected: number, text: string): JournalAppend {
  return { key, expected, entries: [new TextEncoder().encode(text)] };
}
function step(id: string, journal: JournalAppend): AppendRequest {
  return { records: [newRecord("a", id), newRecord("b", id)], once: { producer: "s", key: id }, journal };
}
async function journalOf(log: EventLog): Promise<string[]> {
  return (await log.journals.read(key, 0, 1_000)).map(({ data }) => new TextDecoder().decode(data));
}
function codeOf(result: { ok: true } | { ok: false; code: string }): string {
  return result.ok ? "ok" : result.code;
}

for (const line of natsLines) {
  await describeOnNats(line, "two logs", () => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await startNatsServer({ line });
    });
    afterAll(() => server?.[Symbol.asyncDispose]());

    test("journals.append() by both at once stores one of the two, and refuses the other with conflict", async () => {
      const name = logName();
      const logs = await Promise.all([openLog([server.url], name), openLog([server.url], name)]);
      const expected: string[] = [];
      for (let round = 0; round < rounds; round++) {
        const results = await Promise.all(logs.map((log, i) => log.journals.append(entry(round, `${i}/${round}`))));
        expect(results.map(codeOf).sort()).toEqual(["conflict", "ok"]);
        expected.push(`${results.findIndex(({ ok }) => ok)}/${round}`);
      }
      for (const log of logs) expect(await journalOf(log)).toEqual(expected);
      await Promise.all(logs.map((log) => log.close()));
    });

    test(
      "a log whose connection stalled stores nothing in a journal that another one took over meanwhile",
      async () => {
        const name = logName();
        await using proxy = await startTcpProxy(server.port);
        const old = await openLog([`127.0.0.1:${proxy.port}`], name);
        expect(await old.journals.append(entry(0, "old"))).toEqual({ ok: true, seq: 1 });
        if (line === "newest") expect((await old.append(step("1", entry(1, "old")))).ok).toBe(true);
        const held = line === "newest" ? 2 : 1;
        proxy.stall();
        const late = [
          old.journals.append(entry(held, "late")),
          ...(line === "newest" ? [old.append(step("2", entry(held, "late")))] : []),
        ];
        const next = await openLog([server.url], name);
        expect(await next.journals.lastSeq(key)).toBe(held);
        expect(await next.journals.append(entry(held, "new"))).toEqual({ ok: true, seq: held + 1 });
        const stored = (await readAll(next)).length;
        proxy.mend();
        for (const result of await Promise.all(late)) expect(codeOf(result)).toBe("conflict");
        expect(codeOf(await old.journals.append(entry(held, "later")))).toBe("conflict");
        if (line === "newest") expect(codeOf(await old.append(step("3", entry(held, "later"))))).toBe("conflict");
        expect((await journalOf(next)).slice(held)).toEqual(["new"]);
        expect((await readAll(next)).length).toBe(stored);
        await Promise.all([old.close(), next.close()]);
      },
      testMsMax,
    );
  });
}

await describeOnNats("newest", "steps of two logs", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  /** Does steps and never comes to write the journal, like a node that dies in between. */
  async function dyingNode(name: string) {
    const nc = await connect({ servers: server.url });
    const clock = systemClock();
    const names = namesOf(name);
    const subjects = new Subjects(names);
    const publisher = new Publisher(nc, clock, publisherDefaults);
    let ops = 0;
    const op = () => `dying.${++ops}`;
    const api = new Api(nc, clock);
    const newest = new Newest({ api, clock, replicated: false });
    const steps = new Steps({ api, newest, publisher, clock, names, subjects, atomic: true, op });
    const message = recordMessage(subjects, newRecord("a", "dying"), undefined);
    return {
      do: (id: string, journal: JournalAppend) =>
        steps.do({ producer: "s", key: id, records: [message], journal, chain: undefined }),
      [Symbol.asyncDispose]: () => nc.close(),
    };
  }

  test("what a step decided is in the journal for the next who loads it, and the step is not done again", async () => {
    const name = logName();
    const log = await openLog([server.url], name);
    await log.journals.append(entry(0, "opened"));
    await using dying = await dyingNode(name);
    expect(await dying.do("1", entry(1, "decided"))).toMatchObject({ ok: true, duplicate: false });
    const next = await openLog([server.url], name);
    expect(await next.append(step("1", entry(1, "decided")))).toMatchObject({ ok: true, duplicate: true });
    expect(await next.journals.lastSeq(key)).toBe(2);
    expect(await journalOf(next)).toEqual(["opened", "decided"]);
    expect(texts(await readAll(next))).toEqual(["dying"]);
    expect(codeOf(await log.journals.append(entry(1, "old")))).toBe("conflict");
    await Promise.all([log.close(), next.close()]);
  });

  test("what a process decided that was killed before it wrote its journal is in there for the next", async () => {
    const name = logName();
    const log = await openLog([server.url], name);
    await log.journals.append(entry(0, "opened"));
    const program = join(import.meta.dir, "dying-step.ts");
    const child = Bun.spawn([process.execPath, program, server.url, name], { stdio: ["ignore", "ignore", "inherit"] });
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    const next = await openLog([server.url], name);
    expect(texts(await readAll(next))).toEqual(["1", "1"]);
    expect(await next.journals.lastSeq(key)).toBe(2);
    expect(await journalOf(next)).toEqual(["opened", "decided"]);
    expect(await next.append(step("1", entry(1, "decided")))).toMatchObject({ ok: true, duplicate: true });
    expect(texts(await readAll(next))).toEqual(["1", "1"]);
    await Promise.all([log.close(), next.close()]);
  });

  test("a step is refused to who did one whose entries another log has written", async () => {
    const name = logName();
    const next = await openLog([server.url], name);
    await next.journals.append(entry(0, "opened"));
    await using dying = await dyingNode(name);
    await dying.do("1", entry(1, "decided"));
    expect(await next.journals.lastSeq(key)).toBe(2);
    expect(await next.journals.append(entry(2, "attached"))).toEqual({ ok: true, seq: 3 });
    expect(await dying.do("2", entry(2, "late"))).toMatchObject({ ok: false, code: "fenced" });
    expect(await journalOf(next)).toEqual(["opened", "decided", "attached"]);
    await next.close();
  });

  test("a step is refused when another log wrote into the journal after it was loaded", async () => {
    const name = logName();
    const old = await openLog([server.url], name);
    await old.journals.append(entry(0, "opened"));
    const next = await openLog([server.url], name);
    expect(await next.journals.lastSeq(key)).toBe(1);
    await old.journals.append(entry(1, "old"));
    expect(codeOf(await next.append(step("1", entry(1, "new"))))).toBe("conflict");
    expect(await readAll(next)).toEqual([]);
    expect(await journalOf(next)).toEqual(["opened", "old"]);
    await Promise.all([old.close(), next.close()]);
  });

  test("an entry is not written over those of a step whose answer was lost", async () => {
    const name = logName();
    await using proxy = await startTcpProxy(server.port);
    const publisher = { deadlineMs: 400, resendMs: 100 };
    const log = await openLog([`127.0.0.1:${proxy.port}`], name, { publisher });
    await log.journals.append(entry(0, "opened"));
    expect((await log.append(step("1", entry(1, "first")))).ok).toBe(true);
    proxy.deafen();
    expect(codeOf(await log.append(step("2", entry(2, "second"))))).toBe("unavailable");
    proxy.mend();
    expect(codeOf(await log.journals.append(entry(2, "other")))).toBe("conflict");
    expect(await log.append(step("2", entry(2, "second")))).toMatchObject({ ok: true, duplicate: true });
    expect(await journalOf(log)).toEqual(["opened", "first", "second"]);
    expect(texts(await readAll(log))).toEqual(["1", "1", "2", "2"]);
    await log.close();
  });
});
