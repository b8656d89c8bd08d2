/**
 * docs/services.md, run: a service with the real NATS client, and one that speaks NATS by hand over TCP, publish to
 * clients of a gateway and read what those publish.
 * @module
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats, headers } from "@nats-io/transport-node";
import { connect } from "../../src/client/mod.ts";
import { Reply, requests } from "../../src/client/requests.ts";
import { describeOnNats, natsLines } from "../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { type ServingGateway, serveWeir } from "../support/weir-command.ts";

const slowMs = 60_000;
const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** What a client of the gateway gets, as many records as it waits for. */
async function receiver(gateway: ServingGateway, filter: string) {
  const client = connect(gateway.url);
  const records: Received[] = [];
  let wake: () => void = () => undefined;
  await client.subscribe(filter, { qos: 2 }, (record) => {
    const { topic, id, lane, headers: own } = record;
    records.push({ topic, id, lane, headers: own, text: new TextDecoder().decode(record.payload) });
    wake();
  }).ready;
  return {
    client,
    take: async (count: number): Promise<readonly Received[]> => {
      while (records.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return records.splice(0, count);
    },
  };
}
type Received = {
  readonly topic: string;
  readonly id: string;
  readonly lane: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
};

for (const line of natsLines) {
  await describeOnNats(line, "a service", () => {
    let server: NatsServer;
    let gateway: ServingGateway;
    beforeAll(async () => {
      server = await startNatsServer({ line });
      gateway = await serveWeir(["--log", server.url]);
    });
    afterAll(async () => {
      await gateway[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    test(
      "publishes with the NATS client: a client of the gateway gets id, lane and headers, and a repetition once",
      async () => {
        const { client, take } = await receiver(gateway, "js.>");
        const nc = await connectNats({ servers: server.url, inboxPrefix: "_INBOX_js" });
        const js = jetstream(nc);
        const own = headers();
        own.set("Weir-Lane", "1");
        own.set("Content-Type", "application/json");
        own.set("traceparent", trace);
        const publish = () => js.publish("weir.t.js.eu.42", '{"total":7}', { msgID: "order-42", headers: own });
        const [first, again] = [await publish(), await publish()];
        expect({ again: again.seq, duplicate: again.duplicate }).toEqual({ again: first.seq, duplicate: true });
        nc.publish("weir.t.js.plain", "no headers");
        expect(await take(2)).toEqual([
          {
            ...{ topic: "js.eu.42", id: "order-42", lane: 1, text: '{"total":7}' },
            headers: { "Content-Type": "application/json", traceparent: trace },
          },
          { topic: "js.plain", id: "", lane: 2, text: "no headers", headers: {} },
        ]);
        await client.close();
        await nc.close();
      },
      slowMs,
    );

    test(
      "reads with the NATS client what a client of the gateway publishes, and answers on the topic that it names",
      async () => {
        const { client, take } = await receiver(gateway, "answers.a1.>");
        const nc = await connectNats({ servers: server.url, inboxPrefix: "_INBOX_js" });
        const js = jetstream(nc);
        const jsm = await jetstreamManager(nc);
        const durable_name = "requests";
        await jsm.consumers.add("WEIR", {
          ...{ durable_name, filter_subject: "weir.t.requests.>" },
          ack_policy: "explicit",
        });
        const { seq } = await client.publish(
          "requests.price",
          { of: 42 },
          {
            priority: "high",
            headers: { "Reply-Topic": "answers.a1.price", "Correlation-Id": "1", "with space": "ü" },
          },
        );
        const request = await (await js.consumers.get("WEIR", durable_name)).next();
        if (request === null) throw new Error("No request came");
        const header = (name: string) => request.headers?.get(name) ?? "";
        expect({ subject: request.subject, seq: request.seq, body: request.json() }).toEqual({
          ...{ subject: "weir.t.requests.price", body: { of: 42 } },
          seq: Number(seq),
        });
        expect({ lane: header("Weir-Lane"), more: JSON.parse(header("Weir-Headers")) }).toEqual({
          lane: "1",
          more: { "with space": "ü" },
        });
        expect(header("Nats-Msg-Id")).toMatch(/^[\w-]+\/1$/);
        const own = headers();
        own.set("Correlation-Id", header("Correlation-Id"));
        const msgID = `${header("Nats-Msg-Id")}/answer`;
        await js.publish(`weir.t.${header("Reply-Topic")}`, "7 EUR", { msgID, headers: own });
        await request.ackAck();
        expect(await take(1)).toEqual([
          { topic: "answers.a1.price", id: msgID, lane: 2, text: "7 EUR", headers: { "Correlation-Id": "1" } },
        ]);
        await client.close();
        await nc.close();
      },
      slowMs,
    );

    test(
      "asks and answers with the NATS client: a client that serves, and one that asks",
      async () => {
        const client = connect(gateway.url);
        const nc = await connectNats({ servers: server.url, inboxPrefix: "_INBOX_js" });
        const api = requests(client);
        await api.serve("prices.*", (request) => {
          if (request.topic === "prices.gold") throw new Error("not sold");
          return new Reply(
            { of: request.json(), deadlineMs: request.deadlineMs },
            { unit: request.headers["unit"] ?? "" },
          );
        }).ready;
        const own = headers();
        own.set("unit", "EUR");
        own.set("Weir-Deadline-Ms", "2500");
        const options = { timeout: slowMs, headers: own };
        const answer = await nc.request("weir.r.prices.tea", '"tea"', options);
        expect([answer.json(), answer.headers?.get("unit"), answer.headers?.has("Weir-Error")]).toEqual([
          { of: "tea", deadlineMs: 2_500 },
          "EUR",
          false,
        ]);
        expect((await nc.request("weir.r.prices.gold", "", options)).headers?.get("Weir-Error")).toBe("not sold");
        await expect(nc.request("weir.r.nobody", "", options)).rejects.toThrow("no responders");

        const seen: string[] = [];
        nc.subscribe("weir.r.stock.>", {
          queue: "weir",
          callback: (_, message) => {
            seen.push(...["unit", "Weir-Deadline-Ms"].map((name) => message.headers?.get(name) ?? ""));
            const failed = headers();
            failed.set("Weir-Error", "no such thing");
            if (message.subject === "weir.r.stock.tea") message.respond(`3 of ${message.string()}`);
            else message.respond("", { headers: failed });
          },
        });
        await nc.flush();
        const stock = await api.request("stock.tea", "tea", { headers: { unit: "kg" }, timeoutMs: 30_000 });
        expect([stock.text(), seen[0], Number(seen[1]) > 29_000]).toEqual(['3 of "tea"', "kg", true]);
        await expect(api.request("stock.gold", 1)).rejects.toMatchObject({
          ...{ code: "responderError", message: "no such thing" },
        });
        await client.close();
        await nc.close();
      },
      slowMs,
    );

    test(
      "asks and answers by hand over TCP",
      async () => {
        const client = connect(gateway.url);
        const nats = await natsByHand(server.port);
        const api = requests(client);
        await api.serve("hand.price", (request) => `${request.text()} costs 7`).ready;
        const asked = "PUB weir.r.hand.price _INBOX_hand.answer 3\r\ntea\r\n";
        expect(await nats.ask(asked, "_INBOX_hand.answer")).toMatchObject({ payload: '"tea costs 7"' });
        const nobody = await nats.ask("PUB weir.r.hand.none _INBOX_hand.answer 0\r\n\r\n", "_INBOX_hand.answer");
        expect(nobody.headers).toStartWith("NATS/1.0 503");
        const request = await nats.serveOne("weir.r.hand.stock", async () => {
          const answer = api.request("hand.stock", "tea", { headers: { k: "v" } });
          return (await answer).text();
        });
        expect(request.asked.headers).toMatch(/^NATS\/1\.0\r\n(.+\r\n)*Weir-Deadline-Ms: \d+\r\n/);
        expect([request.asked.payload, request.answered]).toEqual(['"tea"', "3 left"]);
        nats.end();
        await client.close();
      },
      slowMs,
    );

    test(
      "does the same by hand over TCP",
      async () => {
        const { client, take } = await receiver(gateway, "tcp.>");
        const nats = await natsByHand(server.port);
        const block = `NATS/1.0\r\nNats-Msg-Id: by-hand-1\r\nWeir-Lane: 0\r\ntraceparent: ${trace}\r\n\r\n`;
        const payload = '{"total":8}';
        const size = `${block.length} ${block.length + payload.length}`;
        const publish = `HPUB weir.t.tcp.eu _INBOX_hand.ack ${size}\r\n${block}${payload}\r\n`;
        const first = JSON.parse((await nats.ask(publish, "_INBOX_hand.ack")).payload) as {
          stream: string;
          seq: number;
        };
        const again = JSON.parse((await nats.ask(publish, "_INBOX_hand.ack")).payload) as object;
        expect(again).toEqual({ stream: "WEIR", seq: first.seq, duplicate: true });
        expect(await take(1)).toEqual([
          { topic: "tcp.eu", id: "by-hand-1", lane: 0, text: payload, headers: { traceparent: trace } },
        ]);

        await client.publish("tcp.us", "for the service", { priority: "low", headers: { kind: "greeting" } });
        await take(1);
        const config = { name: "hand", filter_subject: "weir.t.tcp.us", ack_policy: "none", inactive_threshold: 30e9 };
        const made = await nats.request("$JS.API.CONSUMER.CREATE.WEIR.hand.weir.t.tcp.us", {
          stream_name: "WEIR",
          config,
        });
        expect(JSON.parse(made.payload)).toMatchObject({ name: "hand", num_pending: 1 });
        const message = await nats.request("$JS.API.CONSUMER.MSG.NEXT.WEIR.hand", { batch: 1, expires: 10e9 });
        expect(message.headers).toMatch(/^NATS\/1\.0\r\n(.+\r\n)*Nats-Msg-Id: [\w-]+\/1\r\n/);
        expect(message.headers.split("\r\n")).toEqual(expect.arrayContaining(["Weir-Lane: 3", "kind: greeting"]));
        expect({ subject: message.subject, payload: message.payload }).toEqual({
          subject: "weir.t.tcp.us",
          payload: '"for the service"',
        });
        nats.end();
        await client.close();
      },
      slowMs,
    );
  });
}

type Message = {
  readonly subject: string;
  readonly headers: string;
  readonly payload: string;
  readonly reply: string;
};

/** The NATS protocol without a library: text lines over TCP, one inbox. */
async function natsByHand(port: number) {
  const socket = connectTcp(port, "127.0.0.1");
  let buffered = "";
  let wake: () => void = () => undefined;
  socket.on("data", (chunk) => {
    buffered += chunk.toString("latin1");
    wake();
  });
  const more = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const take = async (length: number): Promise<string> => {
    while (buffered.length < length) await more();
    const taken = buffered.slice(0, length);
    buffered = buffered.slice(length);
    return taken;
  };
  const line = async (): Promise<string> => {
    while (!buffered.includes("\r\n")) await more();
    return (await take(buffered.indexOf("\r\n") + 2)).slice(0, -2);
  };
  const next = async (): Promise<Message> => {
    for (;;) {
      // MSG <subject> <sid> [reply] <bytes>, HMSG <subject> <sid> [reply] <bytes of headers> <bytes>
      const [verb, subject = "", ...rest] = (await line()).split(" ");
      if (verb === "PING") socket.write("PONG\r\n");
      if (verb !== "MSG" && verb !== "HMSG") continue;
      const total = Number(rest.at(-1));
      const head = verb === "HMSG" ? Number(rest.at(-2)) : 0;
      const body = await take(total + 2);
      const replyAt = rest.length - (verb === "HMSG" ? 3 : 2);
      return { subject, headers: body.slice(0, head), payload: body.slice(head, total), reply: rest[replyAt] ?? "" };
    }
  };
  expect(await line()).toStartWith("INFO {");
  const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: "hand", version: "1" };
  socket.write(`CONNECT ${JSON.stringify(options)}\r\nSUB _INBOX_hand.> 1\r\nPING\r\n`);
  const ask = async (command: string, reply: string): Promise<Message> => {
    socket.write(command);
    const message = await next();
    // What a consumer delivers bears the subject of its stream, anything else the inbox.
    expect([reply, message.subject.startsWith("weir.t.") ? message.subject : ""]).toContain(message.subject);
    return message;
  };
  return {
    ask,
    request: (subject: string, body: object): Promise<Message> => {
      const text = JSON.stringify(body);
      return ask(`PUB ${subject} _INBOX_hand.answer ${text.length}\r\n${text}\r\n`, "_INBOX_hand.answer");
    },
    /** Answers one request, which `provoke` makes when the server knows who serves. */
    serveOne: async (subject: string, provoke: () => Promise<string>) => {
      socket.write(`SUB ${subject} weir 2\r\nPING\r\n`);
      while ((await line()) !== "PONG");
      const answered = provoke();
      const asked = await next();
      socket.write(`PUB ${asked.reply} 6\r\n3 left\r\n`);
      return { asked, answered: await answered };
    },
    end: () => socket.destroy(),
  };
}
