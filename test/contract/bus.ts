/**
 * What every bus does; each adapter runs it from its own few-line test.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Bus, BusMessage } from "../../src/runtime/bus/bus.ts";

export type BusRig = {
  /** One more, joined with the others of this rig. */
  open(): Promise<Bus>;
  /** Resolves when everybody knows of every subscription. */
  known(): Promise<void>;
  dispose(): Promise<void>;
};

type Seen = { readonly subject: string; readonly text: string; readonly headers?: Readonly<Record<string, string>> };

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytes = (text: string): Uint8Array => encoder.encode(text);
const timeoutMs = 5_000;
const shortMs = 20;

function seen({ subject, data, headers }: Pick<BusMessage, "subject" | "data" | "headers">): Seen {
  return { subject, text: decoder.decode(data), ...(headers === undefined ? {} : { headers }) };
}

/** Gathers what comes, up to and with the message "end". */
function gathered() {
  const messages: Seen[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const onMessage = (message: BusMessage): void => {
    const one = seen(message);
    if (one.text === "end") resolve();
    else messages.push(one);
  };
  const texts = async (): Promise<string[]> => {
    await promise;
    return messages.map(({ text }) => text);
  };
  return { onMessage, messages, ended: promise, texts };
}

export function busContract(name: string, openRig: () => Promise<BusRig>): void {
  describe(`bus ${name}`, () => {
    let rig: BusRig;
    let [a, b, c] = [] as Bus[] as [Bus, Bus, Bus];
    beforeEach(async () => {
      rig = await openRig();
      [a, b, c] = [await rig.open(), await rig.open(), await rig.open()];
    });
    afterEach(() => rig.dispose());
    const staged = () => ({ rig, a, b, c });
    publishContract(staged);
    queueContract(staged);
    requestContract(staged);
    failureContract(staged);
    endingContract(staged);
  });
}

type Staged = () => { readonly rig: BusRig; readonly a: Bus; readonly b: Bus; readonly c: Bus };

function publishContract(staged: Staged): void {
  test("publish() reaches every subscriber whose filter matches, the publisher's own too, in order", async () => {
    const { rig, a, b, c } = staged();
    const subscribers = [
      { bus: a, filter: "b.x.1" },
      { bus: b, filter: "b.*.1" },
      { bus: c, filter: "b.>" },
      { bus: b, filter: "b.x" },
    ].map(({ bus, filter }) => {
      const got = gathered();
      bus.subscribe(filter, got.onMessage);
      bus.subscribe("end", got.onMessage);
      return got;
    });
    await rig.known();
    for (let n = 1; n <= 50; n++) a.publish("b.x.1", bytes(String(n)));
    a.publish("b.x.2", bytes("other"));
    a.publish("end", bytes("end"));
    const numbers = Array.from({ length: 50 }, (_, i) => String(i + 1));
    const got = await Promise.all(subscribers.map(({ texts }) => texts()));
    expect(got).toEqual([numbers, numbers, [...numbers, "other"], []]);
  });

  test("publish() carries subject, bytes and headers as they were, whatever the sender writes afterwards", async () => {
    const { rig, a, b } = staged();
    const got = gathered();
    b.subscribe(">", got.onMessage);
    await rig.known();
    const data = bytes("first");
    const headers = { "Content-Type": "text/plain", "odd name": "line\nbreak", ümlaut: "é", "Nats-Msg-Id": "mine" };
    a.publish("b.m", data, headers);
    data.fill(0);
    a.publish("b.n", new Uint8Array(0), {});
    a.publish("b.o", bytes("end"));
    await got.ended;
    expect(got.messages).toEqual([
      { subject: "b.m", text: "first", headers },
      { subject: "b.n", text: "", headers: {} },
    ]);
  });

  test("publish() returns before anybody hears of it", async () => {
    const { rig, a } = staged();
    const got = gathered();
    a.subscribe("b.m", got.onMessage);
    await rig.known();
    a.publish("b.m", bytes("1"));
    expect(got.messages).toEqual([]);
    a.publish("b.m", bytes("end"));
    expect(await got.texts()).toEqual(["1"]);
  });

  test("a message that is only published has no reply", async () => {
    const { rig, a, b } = staged();
    const { promise, resolve } = Promise.withResolvers<BusMessage>();
    b.subscribe("b.m", resolve);
    await rig.known();
    a.publish("b.m", bytes("1"));
    expect((await promise).reply).toBeUndefined();
  });

  test("publish() takes a message of bytesMax, and throws a RangeError for one byte more", async () => {
    const { rig, a, b } = staged();
    const { promise, resolve } = Promise.withResolvers<BusMessage>();
    b.subscribe("b.m", resolve);
    await rig.known();
    expect(() => a.publish("b.m", new Uint8Array(a.bytesMax + 1))).toThrow(RangeError);
    expect(() => a.publish("b.m", new Uint8Array(a.bytesMax), { name: "value" })).toThrow(RangeError);
    expect(a.request("b.m", new Uint8Array(a.bytesMax + 1), { timeoutMs })).rejects.toThrow(RangeError);
    a.publish("b.m", new Uint8Array(a.bytesMax));
    expect((await promise).data.byteLength).toBe(a.bytesMax);
  });
}

function queueContract(staged: Staged): void {
  test("of those that subscribe with one queue, one gets each message; others get them all", async () => {
    const { rig, a, b, c } = staged();
    const shared: string[] = [];
    const [all, other] = [gathered(), gathered()];
    for (const bus of [a, b, b, c])
      bus.subscribe("b.work.*", (message) => void shared.push(seen(message).text), { queue: "workers" });
    c.subscribe("b.work.*", other.onMessage, { queue: "others" });
    a.subscribe("b.work.*", all.onMessage);
    await rig.known();
    const numbers = Array.from({ length: 40 }, (_, i) => String(i + 1));
    for (const text of numbers) a.publish(`b.work.${text}`, bytes(text));
    a.publish("b.work.end", bytes("end"));
    expect([await all.texts(), await other.texts()]).toEqual([numbers, numbers]);
    // What the queue got is under way on its own: asked for with a request behind it.
    while (shared.length < 41) await a.request("nobody", bytes(""), { timeoutMs });
    expect(shared.toSorted()).toEqual([...numbers, "end"].toSorted());
  });

  test("a queue goes on with those that are left", async () => {
    const { rig, a, b, c } = staged();
    const left = gathered();
    const gone = b.subscribe("b.work", () => undefined, { queue: "workers" });
    c.subscribe("b.work", left.onMessage, { queue: "workers" });
    gone.stop();
    await rig.known();
    for (const text of ["1", "2", "3", "end"]) a.publish("b.work", bytes(text));
    expect(await left.texts()).toEqual(["1", "2", "3"]);
  });
}

function requestContract(staged: Staged): void {
  test("request() gets the answer of who subscribes to it, with its headers", async () => {
    const { rig, a, b } = staged();
    b.subscribe("r.>", (message) => {
      const { subject, text, headers } = seen(message);
      message.reply?.(bytes(`${subject}: ${text}`), { ...headers, answered: "yes" });
    });
    await rig.known();
    const ask = (text: string) => a.request("r.orders", bytes(text), { timeoutMs, headers: { asked: text } });
    const replies = await Promise.all(["1", "2", "3"].map(ask));
    expect(replies.map((reply) => reply.ok && [decoder.decode(reply.data), reply.headers])).toEqual(
      ["1", "2", "3"].map((text) => [`r.orders: ${text}`, { asked: text, answered: "yes" }]),
    );
  });

  test("request() can be answered later, without data, and by the asker itself; the first answer counts", async () => {
    const { rig, a } = staged();
    a.subscribe("r.orders", ({ reply }) => {
      reply?.(new Uint8Array(0));
      reply?.(bytes("again"));
    });
    await rig.known();
    expect(await a.request("r.orders", bytes(""), { timeoutMs })).toMatchObject({ ok: true, data: new Uint8Array(0) });
  });

  test("request() to a queue is answered by one of it", async () => {
    const { rig, a, b, c } = staged();
    let answers = 0;
    const answer = ({ reply }: BusMessage): void => {
      answers++;
      reply?.(bytes("done"));
    };
    for (const bus of [b, c]) bus.subscribe("r.orders", answer, { queue: "q" });
    await rig.known();
    for (let n = 0; n < 10; n++) expect((await a.request("r.orders", bytes(""), { timeoutMs })).ok).toBe(true);
    expect(answers).toBe(10);
  });
}

function failureContract(staged: Staged): void {
  test("request() answers noResponders at once when nobody subscribes to it", async () => {
    const { rig, a, b } = staged();
    b.subscribe("r.other", () => undefined);
    await rig.known();
    expect(await a.request("r.orders", bytes(""), { timeoutMs })).toEqual({ ok: false, code: "noResponders" });
  });

  test("request() answers timeout when nobody answers in time", async () => {
    const { rig, a, b } = staged();
    b.subscribe("r.orders", () => undefined);
    await rig.known();
    expect(await a.request("r.orders", bytes(""), { timeoutMs: shortMs })).toEqual({ ok: false, code: "timeout" });
  });

  test("request() answers aborted when its signal says so, before and while it waits, and a late answer is nothing", async () => {
    const { rig, a, b } = staged();
    const { promise: asked, resolve } = Promise.withResolvers<BusMessage>();
    b.subscribe("r.orders", resolve);
    await rig.known();
    const controller = new AbortController();
    const reply = a.request("r.orders", bytes(""), { timeoutMs, signal: controller.signal });
    const message = await asked;
    controller.abort();
    message.reply?.(bytes("late"));
    expect(await reply).toEqual({ ok: false, code: "aborted" });
    const { signal } = controller;
    expect(await a.request("r.orders", bytes(""), { timeoutMs, signal })).toEqual({ ok: false, code: "aborted" });
  });
}

function endingContract(staged: Staged): void {
  test("stop() ends a subscription, also for what is under way, and may be called again", async () => {
    const { rig, a, b } = staged();
    const [stopped, goesOn] = [gathered(), gathered()];
    const subscription = b.subscribe("b.m", stopped.onMessage);
    b.subscribe("b.m", goesOn.onMessage);
    await rig.known();
    a.publish("b.m", bytes("1"));
    subscription.stop();
    subscription.stop();
    a.publish("b.m", bytes("2"));
    a.publish("b.m", bytes("end"));
    expect(await goesOn.texts()).toEqual(["1", "2"]);
    expect(stopped.messages).toEqual([]);
  });

  test("close() ends its subscriptions and requests, and leaves the other buses alone", async () => {
    const { rig, a, b, c } = staged();
    const [closed, goesOn] = [gathered(), gathered()];
    b.subscribe("b.m", closed.onMessage);
    c.subscribe("b.m", goesOn.onMessage);
    c.subscribe("r.orders", () => undefined);
    await rig.known();
    const waiting = b.request("r.orders", bytes(""), { timeoutMs });
    await b.close();
    b.publish("b.m", bytes("of a closed one"));
    a.publish("b.m", bytes("1"));
    a.publish("b.m", bytes("end"));
    expect(await goesOn.texts()).toEqual(["1"]);
    expect(closed.messages).toEqual([]);
    const later = b.request("r.orders", bytes(""), { timeoutMs });
    const unavailable = { ok: false, code: "unavailable" } as const;
    expect([await waiting, await later]).toEqual([unavailable, unavailable]);
    b.subscribe("b.m", closed.onMessage).stop();
  });
}
