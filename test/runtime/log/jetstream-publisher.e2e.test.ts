/**
 * What is appended while NATS is away, does not answer, or has too much to do: it waits, is sent again, is stored
 * once, and after its deadline is `unavailable`.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "@nats-io/transport-node";
import type { AppendRequest, JournalAppend } from "../../../src/runtime/log/event-log.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startTcpProxy } from "../../support/nats-proxy.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { Load, logName, openLog, readAll, until } from "./jetstream-load.ts";
import { newRecord, texts } from "./new-record.ts";

const testMsMax = 60_000;
const key = { kind: "session", id: "s" };
const quick = { publisher: { deadlineMs: 500, resendMs: 100 } };
const deafTimes = 4;
const crowd = { producers: 100, depth: 10 };

function numbered(after: number, numbers: readonly number[]): AppendRequest {
  return { records: numbers.map((n) => newRecord("a", `${n}`)), numbered: { producer: "p", after, numbers } };
}
function entry(expected: number, text: string): JournalAppend {
  return { key, expected, entries: [new TextEncoder().encode(text)] };
}

async function lastSeqOf(server: NatsServer, stream: string): Promise<number> {
  const client = await connect({ servers: server.url });
  const info = await client.request(`$JS.API.STREAM.INFO.${stream}`);
  await client.close();
  return info.json<{ state: { last_seq: number } }>().state.last_seq;
}

for (const line of natsLines) {
  await describeOnNats(line, "append()", () => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await startNatsServer({ line });
    });
    afterAll(() => server?.[Symbol.asyncDispose]());

    test("waits while the connection is away, and stores once when it is back", async () => {
      await using proxy = await startTcpProxy(server.port);
      const log = await openLog([`127.0.0.1:${proxy.port}`], logName());
      expect((await log.append(numbered(0, [1]))).ok).toBe(true);
      proxy.cut();
      let answered = 0;
      const appending = [numbered(1, [2, 3]), numbered(3, [4])].map(async (request) => {
        const result = await log.append(request);
        answered++;
        return result;
      });
      const journal = log.journals.append(entry(0, "away"));
      await until("it is known to be away", () => log.info().awaySince !== undefined);
      expect(answered).toBe(0);
      proxy.mend();
      expect((await Promise.all(appending)).map(({ ok }) => ok)).toEqual([true, true]);
      expect(await journal).toEqual({ ok: true, seq: 1 });
      expect(texts(await readAll(log))).toEqual(["1", "2", "3", "4"]);
      await log.close();
    });

    test("is unavailable and may be tried again after its deadline, and is stored once then", async () => {
      await using proxy = await startTcpProxy(server.port);
      const log = await openLog([`127.0.0.1:${proxy.port}`], logName(), quick);
      expect((await log.append(numbered(0, [1]))).ok).toBe(true);
      proxy.cut();
      const unavailable = { ok: false, code: "unavailable", retryable: true };
      expect(await log.append(numbered(1, [2, 3]))).toMatchObject(unavailable);
      expect(await log.journals.append(entry(0, "away"))).toMatchObject(unavailable);
      proxy.mend();
      expect((await log.append(numbered(1, [2, 3]))).ok).toBe(true);
      expect(await log.journals.append(entry(0, "away"))).toEqual({ ok: true, seq: 1 });
      expect(texts(await readAll(log))).toEqual(["1", "2", "3"]);
      await log.close();
    });

    test(
      "stores everything once when its answers are lost again and again",
      async () => {
        await using proxy = await startTcpProxy(server.port);
        const name = logName();
        const log = await openLog([`127.0.0.1:${proxy.port}`], name);
        const load = new Load(log);
        for (let i = 0; i < deafTimes; i++) {
          await load.moves(100);
          proxy.deafen();
          await until("more is stored than was answered", async () => {
            const stored = await lastSeqOf(server, name.toUpperCase());
            return stored > Math.max(...load.acknowledged.values());
          });
          proxy.mend();
        }
        await load.moves(100);
        await load.end(() => openLog([server.url], name));
        expect(load.failures).toEqual([]);
        await log.close();
      },
      testMsMax,
    );

    test("knows a journal's entry whose answer was lost, and refuses another one in its place", async () => {
      for (const [again, result] of [
        ["2", { ok: true, seq: 2 }],
        ["other", { ok: false, code: "conflict", actual: 2 }],
      ] as const) {
        await using proxy = await startTcpProxy(server.port);
        const log = await openLog([`127.0.0.1:${proxy.port}`], logName(), quick);
        expect(await log.journals.append(entry(0, "1"))).toEqual({ ok: true, seq: 1 });
        proxy.deafen();
        expect(await log.journals.append(entry(1, "2"))).toMatchObject({ code: "unavailable" });
        proxy.mend();
        expect(await log.journals.append(entry(1, again))).toMatchObject(result);
        const entries = await log.journals.read(key, 0, 10);
        expect(entries.map(({ data }) => new TextDecoder().decode(data))).toEqual(["1", "2"]);
        await log.close();
      }
    });
  });

  await describeOnNats(line, "append() to a server that refuses what is too much for it", () => {
    test(
      "sends again what was refused, and loses and doubles nothing",
      async () => {
        await using server = await startNatsServer({ line, jetstream: "max_buffered_msgs: 20" });
        const name = logName();
        const client = await connect({ servers: server.url });
        const log = await openLog([server.url], name);
        const load = new Load(log, { ...crowd, ordered: false });
        let refused = 0;
        const watch = client.subscribe("_INBOX_weir.>", {
          callback: (error, message) => {
            if (error === null && /"err_code":10167\b/.test(message.string())) refused++;
          },
        });
        await load.moves(3_000);
        await load.end(() => openLog([server.url], name));
        watch.unsubscribe();
        expect(refused).toBeGreaterThan(0);
        expect(load.failures).toEqual([]);
        await client.close();
        await log.close();
      },
      testMsMax,
    );
  });
}
