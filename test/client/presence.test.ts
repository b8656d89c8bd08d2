/**
 * The SDK's presence, against a peer that does what a test says: what is said again on every connection, and what handlers
 * hear of it.
 */
import { describe, expect, test } from "bun:test";
import type { Client } from "../../src/client/mod.ts";
import { type Member, type PresenceHandlers, presence } from "../../src/client/presence.ts";
import { World } from "./world.ts";

const since = 1_767_225_600_000;
const utf8 = new TextEncoder();
const member = (session: string, data?: unknown) => ({
  ...{ session, subject: `of ${session}`, since },
  ...(data === undefined ? {} : { data: utf8.encode(JSON.stringify(data)) }),
});

async function staged(): Promise<{ readonly world: World; readonly client: Client }> {
  const world = new World();
  return { world, client: await world.connected() };
}

/** What handlers hear, in words. */
function noting(notes: string[]): PresenceHandlers {
  return {
    onJoin: ({ session }) => notes.push(`+${session}`),
    onUpdate: (now: Member, before: Member) => notes.push(`~${now.session} ${before.text()}>${now.text()}`),
    onLeave: ({ session }) => notes.push(`-${session}`),
    onSync: (members) => notes.push(`=${[...members.keys()].join()}`),
  };
}

describe("presence().track()", () => {
  test("tells topic and data, resolves when it is shown, and says it again on each connection, but not after untrack()", async () => {
    const { world, client } = await staged();
    const mine = presence(client);
    const tracked = Promise.all([mine.track("a", { name: "Ada" }), mine.track("b"), mine.track("c", Uint8Array.of(7))]);
    expect(world.peer.all("track")).toEqual([
      { type: "track", ref: 1, topic: "a", data: utf8.encode('{"name":"Ada"}') },
      { type: "track", ref: 2, topic: "b" },
      { type: "track", ref: 3, topic: "c", data: Uint8Array.of(7) },
    ]);
    for (const { ref, topic } of world.peer.all("track")) world.peer.send({ type: "tracked", ref, topic, on: true });
    await world.run(tracked);
    const gone = mine.untrack("b");
    world.peer.send({ type: "tracked", ref: world.peer.last("untrack").ref, topic: "b", on: false });
    await world.run(gone);
    const again = await world.reconnect();
    again.welcome({ outcome: "resumed" });
    await world.clock.settle();
    expect(again.all("track").map(({ topic }) => topic)).toEqual(["a", "c"]);
    await client.close();
  });

  test("rejects when the gateway refuses, and says it no more", async () => {
    const { world, client } = await staged();
    const tracked = presence(client).track("a");
    const { ref } = world.peer.last("track");
    world.peer.send({ type: "error", ref, code: 710, cause: "presenceTooMany", message: "Full", retryable: true });
    expect(await world.run(tracked.catch(({ code }) => code))).toBe("presenceTooMany");
    (await world.reconnect()).welcome({ outcome: "resumed" });
    await world.clock.settle();
    expect(world.peer.all("track")).toEqual([]);
    await client.close();
  });

  test("that was asked while the connection was lost is told on the next one", async () => {
    const { world, client } = await staged();
    world.peer.end(1006);
    const tracked = presence(client).track("a");
    await world.clock.advance(30_000);
    world.peer.welcome({ outcome: "resumed" });
    await world.clock.settle();
    const { ref, topic } = world.peer.last("track");
    world.peer.send({ type: "tracked", ref, topic, on: true });
    await world.run(tracked);
    await client.close();
  });

  test("what the gateway ends of its own accord is reported, and said no more", async () => {
    const { world, client } = await staged();
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    const tracked = presence(client).track("a");
    world.peer.send({ type: "tracked", ref: world.peer.last("track").ref, topic: "a", on: true });
    await world.run(tracked);
    world.peer.send({ type: "tracked", ref: 0, topic: "a", on: false });
    await world.clock.settle();
    expect(errors).toEqual(["subscriptionEnded"]);
    await client.close();
  });
});

describe("presence().list()", () => {
  test("walks the pages, and begins anew when the connection is lost in between", async () => {
    const { world, client } = await staged();
    const list = presence(client).list("a");
    const first = world.peer.last("presence");
    expect(first).toEqual({ type: "presence", ref: 1, topic: "a", limit: 500 });
    world.peer.send({ type: "presences", ref: 1, topic: "a", total: 3, members: [member("s1")], next: "s1" });
    expect(world.peer.last("presence")).toMatchObject({ cursor: "s1" });
    const peer = await world.reconnect();
    peer.welcome({ outcome: "resumed" });
    await world.clock.settle();
    const { ref } = peer.last("presence");
    peer.send({ type: "presences", ref, topic: "a", total: 2, members: [member("s1", 1)], next: "s1" });
    const members = [member("s2")];
    peer.send({ type: "presences", ref: peer.last("presence").ref, topic: "a", total: 2, members });
    const { total, members: listed } = await world.run(list);
    expect([total, ...listed.map(({ session, subject, since: at }) => [session, subject, at])]).toEqual([
      2,
      ["s1", "of s1", since],
      ["s2", "of s2", since],
    ]);
    expect([listed[0]?.json(), listed[1]?.data]).toEqual([1, undefined]);
    await client.close();
  });

  test("refuses a limit that is none", async () => {
    const { client } = await staged();
    await expect(presence(client).list("a", { limit: 0 })).rejects.toMatchObject({ code: "badOption" });
    await client.close();
  });
});

describe("presence().watch()", () => {
  test("hears who is there, who comes, changes and goes, once each, and after a reconnect the difference", async () => {
    const { world, client } = await staged();
    const notes: string[] = [];
    const watch = presence(client).watch("a", noting(notes));
    const { ref } = world.peer.last("presence");
    world.peer.send({
      type: "presences",
      ref,
      topic: "a",
      total: 3,
      members: [member("s1"), member("s2")],
      next: "s2",
    });
    // Between two pages: s1 goes, s9 comes, which the last page tells again.
    const joined = [member("s9")];
    world.peer.send({ type: "presenceChanged", topic: "a", total: 2, joined, left: ["s1", "nobody"] });
    const rest = { topic: "a", total: 2, members: [member("s9")] };
    world.peer.send({ type: "presences", ref: world.peer.last("presence").ref, ...rest });
    await world.run(watch.ready);
    expect(notes.splice(0)).toEqual(["+s2", "+s9", "=s2,s9"]);
    const moved = [member("s2", 1), member("s3"), member("s9")];
    world.peer.send({ type: "presenceChanged", topic: "a", total: 3, joined: moved, left: ["s1"] });
    await world.clock.settle();
    expect(notes.splice(0)).toEqual(["~s2 >1", "+s3"]);
    const peer = await world.reconnect();
    peer.welcome({ outcome: "resumed" });
    await world.clock.settle();
    const members = [member("s3"), member("s4")];
    peer.send({ type: "presences", ref: peer.last("presence").ref, topic: "a", total: 2, members });
    await world.clock.settle();
    expect(notes.splice(0)).toEqual(["-s2", "-s9", "+s4", "=s3,s4"]);
    expect([...watch.members.keys()]).toEqual(["s3", "s4"]);
    await client.close();
  });

  test("two of one topic ask once; who stops last ends it", async () => {
    const { world, client } = await staged();
    const [first, second]: [string[], string[]] = [[], []];
    const mine = presence(client);
    const one = mine.watch("a", noting(first));
    const { ref } = world.peer.last("presence");
    world.peer.send({ type: "presences", ref, topic: "a", total: 1, members: [member("s1")] });
    await world.run(one.ready);
    const two = mine.watch("a", noting(second));
    await two.ready;
    expect([first, second]).toEqual([
      ["+s1", "=s1"],
      ["+s1", "=s1"],
    ]);
    expect(world.peer.all("presence")).toHaveLength(1);
    one.stop();
    expect(world.peer.all("presence")).toHaveLength(1);
    two.stop();
    expect(world.peer.last("presence")).toMatchObject({ topic: "a", watch: false });
    await client.close();
  });

  test("that is refused rejects; one that ends later is reported; a handler that throws too", async () => {
    const { world, client } = await staged();
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    const mine = presence(client);
    const forbidden = {
      type: "error",
      code: 202,
      cause: "subscribeForbidden",
      message: "No",
      retryable: false,
    } as const;
    const refused = mine.watch("a");
    world.peer.send({ ...forbidden, ref: world.peer.last("presence").ref });
    expect(await world.run(refused.ready.catch(({ message }) => message))).toBe("No");
    const ended = mine.watch("b", {
      onJoin: () => {
        throw new Error("in the handler");
      },
    });
    const { ref } = world.peer.last("presence");
    world.peer.send({ type: "presences", ref, topic: "b", total: 1, members: [member("s1")] });
    await world.run(ended.ready);
    world.peer.send({ ...forbidden, ref });
    await world.clock.settle();
    expect(errors[0]).toBe("handlerFailed");
    expect(errors).toHaveLength(2);
    await client.close();
  });

  test("ends with the client", async () => {
    const { world, client } = await staged();
    const watch = presence(client).watch("a");
    await client.close();
    expect(await world.run(watch.ready.catch(({ code }) => code))).toBe("closed");
  });
});
