/**
 * An actor that throws falls alone: its connection ends with the cause, its neighbours do not notice, it comes back
 * from its journal after a growing delay, and is given up after a bounded number of crashes in a row.
 */
import { describe, expect, test } from "bun:test";
import { supervision } from "../../src/actors/supervisor/policy.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import type { Authenticator, Identity } from "../../src/runtime/ports.ts";
import { type Client, texts, type World } from "../conformance/world.ts";
import { replaced, Stage, SteeredClock } from "./stage.ts";

/** A SUBSCRIBE that starts at this time meets a log that throws. */
const poison = 666;

function poisoned(log: EventLog): EventLog {
  return replaced(log, {
    seqAtTime: (time) => (time === poison ? Promise.reject(new Error("Poisoned read")) : log.seqAtTime(time)),
  });
}

function crash(client: Client): void {
  client.peer.send({ type: "subscribe", ref: 99, filter: "poison", start: { kind: "time", time: poison } });
}

function again(world: World, client: Client): Promise<Client> {
  const { session, resumeKey } = client.welcome;
  return world.open({ session, resumeKey });
}

describe("a session that throws", () => {
  test("ends its connection with internal and its cause in the node's log; another session does not notice", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock, log: poisoned });
    const world = stage.world();
    const [client, neighbour] = [await world.open(), await world.open()];
    const reception = await neighbour.subscribe("t");
    crash(client);
    expect((await client.peer.ended("internal")).cause).toBe("actorCrashed");
    const line = stage.lines.find(({ event }) => event === "actor crashed");
    expect([line?.level, line?.fields["actor"], line?.fields["cause"]]).toEqual([
      "error",
      `session:${client.welcome.session}`,
      "Poisoned read",
    ]);
    expect(line?.fields).toMatchObject({
      session: client.welcome.session,
      connection: expect.stringMatching(/^node-.+\/c\d+$/),
    });
    await neighbour.publishOne("t", "undisturbed");
    expect(texts(await reception.take(1))).toEqual(["undisturbed"]);
    expect(neighbour.welcome.owner).toBe(1);
  });

  test("comes back after its delay, where its journal stood", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock, log: poisoned });
    const world = stage.world();
    const client = await world.open();
    await client.subscribe("t");
    await client.publishOne("t", "before");
    crash(client);
    await client.peer.ended("internal");

    const { session, resumeKey } = client.welcome;
    const early = await world.dial();
    early.send(world.hello({ session, resumeKey }));
    const goaway = await early.ended("overloaded");
    expect(goaway.retryAfterMs).toBe(supervision.restartMs);
    clock.advance(supervision.restartMs);
    const back = await again(world, client);
    expect([back.welcome.outcome, back.welcome.publishedUpTo]).toEqual(["resumed", 1]);
    expect(texts(await (await back.restored("t")).take(1))).toEqual(["before"]);
    expect(await back.publishOne("t", "after")).toBe(2);
  });

  test("is given up after crashesMax crashes in a row: sessionEnded, and never resumed again", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock, log: poisoned });
    const world = stage.world();
    let client = await world.open();
    const { session } = client.welcome;
    for (let crashes = 1; crashes < supervision.crashesMax; crashes++) {
      crash(client);
      await client.peer.ended("internal");
      clock.advance(supervision.restartMsMax);
      client = await again(world, client);
      expect(client.welcome.session).toBe(session);
    }
    crash(client);
    expect((await client.peer.ended("sessionEnded")).cause).toBe("crashedTooOften");
    const fresh = await again(world, client);
    expect([fresh.welcome.outcome, fresh.welcome.cause]).toEqual(["opened", "crashedTooOften"]);
    await fresh.peer.fence();
  });

  test("that crashes again only after a long time well is not given up", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock, log: poisoned });
    const world = stage.world();
    let client = await world.open({ resumeWindowMs: supervision.forgiveMs * 2 });
    for (let crashes = 0; crashes < supervision.crashesMax + 2; crashes++) {
      crash(client);
      await client.peer.ended("internal");
      clock.advance(supervision.forgiveMs);
      client = await again(world, client);
      expect(client.welcome.outcome).toBe("resumed");
    }
  });
});

const everything: Identity = { subject: "", publish: [">"], subscribe: [">"] };

describe("a connection", () => {
  const broken: [string, () => Promise<never>][] = [
    ["rejects", () => Promise.reject(new Error("Keys out of reach"))],
    [
      "throws",
      () => {
        throw new Error("Keys out of reach");
      },
    ],
  ];
  test.each(broken)("whose authenticator %s is told when to come again; others stay", async (_how, fail) => {
    const authenticator: Authenticator = {
      authenticate: (token) => (token === "bad luck" ? fail() : Promise.resolve({ ok: true, identity: everything })),
    };
    await using stage = await Stage.open({ authenticator });
    const world = stage.world();
    const neighbour = await world.open();
    const peer = await world.dial();
    peer.send(world.hello({ token: "bad luck" }));
    const goaway = await peer.ended("overloaded");
    expect(goaway.cause).toBe("authenticationUnavailable");
    expect(goaway.retryAfterMs).toBeGreaterThan(0);
    expect(await neighbour.publishOne("t", "1")).toBe(1);
  });

  test("whose actor throws while it greets ends with internal; others stay", async () => {
    let failing = false;
    const log = (inner: EventLog) =>
      replaced(inner, {
        info() {
          if (failing) throw new Error("No info");
          return inner.info();
        },
      });
    await using stage = await Stage.open({ log });
    const world = stage.world();
    const neighbour = await world.open();
    failing = true;
    const peer = await world.dial();
    peer.send(world.hello());
    expect((await peer.ended("internal")).cause).toBe("actorCrashed");
    failing = false;
    expect(await neighbour.publishOne("t", "1")).toBe(1);
    expect((await world.open()).welcome.outcome).toBe("opened");
  });
});

describe("a log that cannot be read", () => {
  test("ends only the connection whose reader met it, with logUnavailable; it resumes with nothing lost", async () => {
    let failing = false;
    const log = (inner: EventLog) =>
      replaced(inner, {
        read: (request) =>
          failing && request.filter === "t" ? Promise.reject(new Error("Disk went away")) : inner.read(request),
      });
    await using stage = await Stage.open({ log });
    await (await stage.world().open()).publish([
      { topic: "t", text: "1" },
      { topic: "t", text: "2" },
    ]);
    await stage.stop();
    await stage.start(); // what is older than the start is not in memory
    const world = stage.world();
    const [client, neighbour] = [await world.open(), await world.open()];
    failing = true;
    client.peer.send({ type: "subscribe", ref: 1, filter: "t", start: { kind: "all" } });
    await client.peer.ended("logUnavailable");
    expect(await neighbour.publishOne("t", "3")).toBe(3);
    failing = false;
    const back = await again(world, client);
    expect(back.welcome.outcome).toBe("resumed");
    expect(texts(await (await back.restored("t")).take(3))).toEqual(["1", "2", "3"]);
  });
});
