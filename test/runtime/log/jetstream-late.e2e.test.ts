/**
 * What is sent again after the server has forgotten its message id is recognised: from the producer's checkpoint, and
 * from what the log holds after it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, headers } from "@nats-io/transport-node";
import type { AppendRequest, EventLog } from "../../../src/runtime/log/event-log.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startTcpProxy } from "../../support/nats-proxy.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { logName, openLog, readAll, until } from "./jetstream-load.ts";
import { newRecord } from "./new-record.ts";

const windowMs = 1_000;
const quick = { publisher: { deadlineMs: 400, resendMs: 100 } };

function numbered(after: number, numbers: readonly number[]): AppendRequest {
  return { records: numbers.map((n) => newRecord("a", `${n}`)), numbered: { producer: "p", after, numbers } };
}
async function ids(log: EventLog): Promise<string[]> {
  return (await readAll(log)).map(({ id }) => id);
}

for (const line of natsLines) {
  await describeOnNats(line, "numbers that come again after the window of de-duplication", () => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await startNatsServer({ line });
    });
    afterAll(() => server?.[Symbol.asyncDispose]());

    /** Streams with a short window. */
    async function prepared(): Promise<string> {
      const name = logName();
      await (await openLog([server.url], name)).close();
      const client = await connect({ servers: server.url });
      const subject = `STREAM.INFO.${name.toUpperCase()}`;
      const { config } = (await client.request(`$JS.API.${subject}`)).json<{ config: object }>();
      const update = JSON.stringify({ ...config, duplicate_window: windowMs * 1e6 });
      const answer = await client.request(`$JS.API.STREAM.UPDATE.${name.toUpperCase()}`, update);
      expect(answer.json()).toMatchObject({ config: { duplicate_window: windowMs * 1e6 } });
      await client.close();
      return name;
    }

    /** The server takes the id of a message once more. */
    async function forgotten(name: string): Promise<void> {
      const client = await connect({ servers: server.url });
      const subject = `${name}.x.window`;
      const publish = async () => {
        const own = headers();
        own.set("Nats-Msg-Id", "window");
        return (await client.request(subject, "", { headers: own, timeout: 2_000 })).json<{ duplicate?: boolean }>();
      };
      await publish();
      await until("the window is over", async () => (await publish()).duplicate !== true);
      await client.close();
    }

    test("append() knows them when the log before was closed", async () => {
      const name = await prepared();
      const before = await openLog([server.url], name);
      expect((await before.append(numbered(0, [1, 2, 3]))).ok).toBe(true);
      await before.close();
      await forgotten(name);
      const log = await openLog([server.url], name);
      expect(await log.producerMark("p")).toBe(3);
      expect(await log.append(numbered(0, [1, 2, 3]))).toMatchObject({ ok: true, duplicate: true });
      expect(await ids(log)).toEqual(["id-1", "id-2", "id-3"]);
      await log.close();
    });

    test("append() knows them when the log before was lost", async () => {
      const name = await prepared();
      await using proxy = await startTcpProxy(server.port);
      const before = await openLog([`127.0.0.1:${proxy.port}`], name);
      expect((await before.append(numbered(0, [1]))).ok).toBe(true);
      expect((await before.append(numbered(1, [2, 3]))).ok).toBe(true);
      proxy.cut();
      await forgotten(name);
      const log = await openLog([server.url], name);
      expect(await log.append(numbered(1, [2, 3]))).toMatchObject({ ok: true, duplicate: true });
      expect((await log.append(numbered(3, [4]))).ok).toBe(true);
      expect(await ids(log)).toEqual(["id-1", "id-2", "id-3", "id-4"]);
      await log.close();
      proxy.mend();
      await before.close();
    });

    test("append() of another log knows them when their answers were lost and the log was closed", async () => {
      const name = await prepared();
      await using proxy = await startTcpProxy(server.port);
      const before = await openLog([`127.0.0.1:${proxy.port}`], name, quick);
      expect((await before.append(numbered(0, [1]))).ok).toBe(true);
      proxy.deafen();
      expect(await before.append(numbered(1, [2, 3]))).toMatchObject({ code: "unavailable", retryable: true });
      proxy.mend();
      await before.close();
      await forgotten(name);
      const log = await openLog([server.url], name);
      expect(await log.producerMark("p")).toBe(3);
      expect(await log.append(numbered(1, [2, 3]))).toMatchObject({ ok: true, duplicate: true });
      expect(await ids(log)).toEqual(["id-1", "id-2", "id-3"]);
      await log.close();
    });

    test("append() of the same log knows them when their answers were lost", async () => {
      const name = await prepared();
      await using proxy = await startTcpProxy(server.port);
      const log = await openLog([`127.0.0.1:${proxy.port}`], name, quick);
      expect((await log.append(numbered(0, [1]))).ok).toBe(true);
      proxy.deafen();
      expect(await log.append(numbered(1, [2, 3]))).toMatchObject({ code: "unavailable", retryable: true });
      proxy.mend();
      await forgotten(name);
      expect(await log.append(numbered(1, [2, 3]))).toMatchObject({ ok: true, duplicate: true });
      expect((await log.append(numbered(3, [4]))).ok).toBe(true);
      expect(await ids(log)).toEqual(["id-1", "id-2", "id-3", "id-4"]);
      await log.close();
    });

    test("append() knows them when a log that had the producer before is closed last", async () => {
      const name = await prepared();
      const [old, next] = [await openLog([server.url], name), await openLog([server.url], name)];
      expect((await old.append(numbered(0, [1, 2]))).ok).toBe(true);
      expect((await next.append(numbered(2, [3, 4]))).ok).toBe(true);
      await next.close();
      await old.close();
      await forgotten(name);
      const log = await openLog([server.url], name);
      expect(await log.producerMark("p")).toBe(4);
      expect(await log.append(numbered(2, [3, 4]))).toMatchObject({ ok: true, duplicate: true });
      expect(await ids(log)).toEqual(["id-1", "id-2", "id-3", "id-4"]);
      await log.close();
    });
  });
}
