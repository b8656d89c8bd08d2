/**
 * Sessions over the end of a connection, of their window, and of the gateway itself.
 */
import { describe, expect, test } from "bun:test";
import { type Client, numbered, texts } from "../conformance/world.ts";
import { silentPeer } from "./silent-peer.ts";
import { replaced, Stage, SteeredClock, until } from "./stage.ts";

const windowMs = 60_000;

/** The client's socket closes; resolves when the gateway has let the session go. */
async function leave(stage: Stage, client: Client): Promise<void> {
  const written = () => stage.log.journals.lastSeq({ kind: "session", id: client.welcome.session });
  const before = await written();
  client.peer.close();
  await until(async () => (await written()) > before, "the journal says that it is detached");
  await stage.metric("websocket_connections"); // one turn of the gateway later
}

describe("graceful stop", () => {
  test("tells every connection GOAWAY; a restart resumes each session where its acknowledgements stood", async () => {
    await using stage = await Stage.open();
    const world = stage.world();
    const publisher = await world.open();
    const readers = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const client = await world.open();
        return { client, acked: index * 4, reception: await client.subscribe("stop.>") };
      }),
    );
    await publisher.publish(numbered("stop.1", 20));
    for (const { client, acked, reception } of readers) {
      const records = await reception.take(20);
      const chain = reception.chain(2);
      if (acked > 0) client.peer.send({ type: "ack", upTo: [{ chain, seq: records[acked - 1]?.seq ?? 0 }] });
      await client.peer.fence();
    }

    await stage.stop();
    for (const { client } of readers) await client.peer.ended("goingAway");
    await publisher.peer.ended("goingAway");

    await stage.start();
    for (const { client, acked } of readers) {
      const { session, resumeKey } = client.welcome;
      const back = await stage.world().open({ session, resumeKey });
      expect([back.welcome.outcome, back.welcome.epoch]).toEqual(["resumed", client.welcome.epoch]);
      const rest = await (await back.restored("stop.>")).take(20 - acked);
      expect(texts(rest)).toEqual(Array.from({ length: 20 - acked }, (_, i) => String(acked + i + 1)));
    }
    const again = await stage
      .world()
      .open({ session: publisher.welcome.session, resumeKey: publisher.welcome.resumeKey });
    expect(again.welcome.publishedUpTo).toBe(20);
  });

  test("publishes under way are in the log and settled for the resumed session; sent again they are not stored twice", async () => {
    const stalled = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const options = {
      log: (log: Stage["log"]) =>
        replaced(log, {
          async append(request) {
            if (request.numbered !== undefined) {
              reached.resolve();
              await stalled.promise;
            }
            return log.append(request);
          },
        }),
    };
    await using stage = await Stage.open(options);
    const client = await stage.world().open();
    client.peer.send({ type: "publish", first: 1, records: [{ topic: "t", payload: new Uint8Array(3) }] });
    await reached.promise;
    const stopping = stage.stop();
    await client.peer.ended("goingAway");
    stalled.resolve();
    await stopping;

    await stage.start();
    const { session, resumeKey } = client.welcome;
    const back = await stage.world().open({ session, resumeKey });
    expect(back.welcome.publishedUpTo).toBe(1);
    back.peer.send({ type: "publish", first: 1, records: [{ topic: "t", payload: new Uint8Array(3) }] });
    expect((await back.peer.expect("published")).upTo).toBe(1);
    expect(stage.log.info().records).toBe(1);
  });

  test("ends although a peer reads nothing", async () => {
    await using stage = await Stage.open();
    const gone = await silentPeer(stage.url, [{ type: "subscribe", ref: 1, filter: "big", qos: 0 }]);
    const client = await stage.world().open();
    const payload = new Uint8Array(200_000);
    for (let first = 1; first <= 60; first++) {
      client.peer.send({ type: "publish", first, records: [{ topic: "big", payload }] });
      await client.settled(first, 1);
    }
    const begun = performance.now();
    await stage.stop();
    await client.peer.ended("goingAway");
    expect(performance.now() - begun).toBeLessThan(8_000);
    gone.socket.unstall();
    await gone.closed;
  });
});

describe("a session's window", () => {
  test("is counted from the loss of the connection, and at its end the session is over", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock });
    const world = stage.world();
    const client = await world.open({ resumeWindowMs: windowMs });
    await client.publishOne("t", "1");
    for (let passed = 0; passed < windowMs * 2; passed += 15_000) {
      clock.advance(15_000); // attached: no window runs
      await client.peer.fence();
    }
    await leave(stage, client);
    clock.advance(windowMs - 1);
    const { session, resumeKey } = client.welcome;
    const back = await world.open({ session, resumeKey });
    expect(back.welcome.outcome).toBe("resumed");
    await leave(stage, back);
    clock.advance(windowMs);
    // Over for good: the log need not remember its numbers any more.
    await until(async () => (await stage.log.producerMark(session)) === undefined, "its numbers are forgotten");
    const late = await world.open({ session, resumeKey });
    expect([late.welcome.outcome, late.welcome.cause]).toEqual(["opened", "sessionExpired"]);
  });

  test("runs on over a restart of the gateway", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock });
    const [early, late] = [
      await stage.world().open({ resumeWindowMs: windowMs }),
      await stage.world().open({ resumeWindowMs: windowMs * 3 }),
    ];
    for (const client of [early, late]) {
      await client.publishOne("t", "1");
      await leave(stage, client);
    }
    await stage.stop();
    clock.advance(windowMs);
    await stage.start();
    const mark = (client: typeof early) => stage.log.producerMark(client.welcome.session);
    await until(async () => {
      clock.advance(0);
      return (await mark(early)) === undefined;
    }, "the session whose window ended while nobody was there is over");
    expect(await mark(late)).toBe(1);
    const { session, resumeKey } = late.welcome;
    expect((await stage.world().open({ session, resumeKey })).welcome.outcome).toBe("resumed");
    const over = await stage.world().open({ session: early.welcome.session, resumeKey: early.welcome.resumeKey });
    expect([over.welcome.outcome, over.welcome.cause]).toEqual(["opened", "sessionExpired"]);
  });
});

test("of many connections that resume one session at once the last owner stays, the others are superseded", async () => {
  await using stage = await Stage.open();
  const world = stage.world();
  const first = await world.open();
  await first.subscribe("t");
  const { session, resumeKey } = first.welcome;
  const others = await Promise.all(Array.from({ length: 8 }, () => world.open({ session, resumeKey })));
  const byOwner = [first, ...others].sort((a, b) => a.welcome.owner - b.welcome.owner);
  expect(byOwner.map(({ welcome }) => welcome.owner)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const last = byOwner.pop();
  await Promise.all(byOwner.map(({ peer }) => peer.ended("superseded")));
  const reception = await last?.restored("t");
  await (await world.open()).publishOne("t", "to the last");
  expect(texts((await reception?.take(1)) ?? [])).toEqual(["to the last"]);
});
