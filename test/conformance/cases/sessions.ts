/**
 * Section "Sessions": open, resume, takeover, end.
 * @module
 */
import { check, equal } from "../peer.ts";
import { type ConformanceCase, numbered, texts, type World } from "../world.ts";

const section = "Sessions";

async function opensAnew(world: World, session: string, resumeKey: string, causes: readonly string[]): Promise<void> {
  const { welcome } = await world.open({ session, resumeKey });
  equal(welcome.outcome, "opened", "WELCOME.outcome");
  check(welcome.session !== session, "the new session has the old one's name");
  check(causes.includes(welcome.cause ?? ""), `WELCOME.cause is ${welcome.cause}, not one of ${causes.join(", ")}`);
}

export const sessionCases: readonly ConformanceCase[] = [
  {
    section,
    name: "a session is resumed with its name, key and epoch, and counts its owners",
    async run(world) {
      const first = await world.open();
      const { welcome } = await world.resume(first);
      equal(
        [welcome.resumeKey, welcome.epoch, welcome.owner],
        [first.welcome.resumeKey, first.welcome.epoch, 2],
        "WELCOME key, epoch, owner",
      );
    },
  },
  {
    section,
    name: "a session can be resumed again and again",
    async run(world) {
      let client = await world.open();
      for (let owner = 2; owner <= 5; owner += 1) {
        client = await world.resume(client);
        equal(client.welcome.owner, owner, "WELCOME.owner");
      }
    },
  },
  {
    section,
    name: "a wrong resume key opens another session with cause resumeKeyWrong",
    async run(world) {
      const { welcome } = await world.open();
      await opensAnew(world, welcome.session, `${welcome.resumeKey.slice(0, -4)}AAAA`, ["resumeKeyWrong"]);
    },
  },
  {
    section,
    name: "a wrong resume key does not disturb the session's owner",
    async run(world) {
      const client = await world.open();
      await opensAnew(world, client.welcome.session, "wrong", ["resumeKeyWrong"]);
      await client.peer.fence();
    },
  },
  {
    section,
    name: "an unknown session opens another one with cause sessionUnknown",
    run: (world) => opensAnew(world, "AAAAAAAAAAAAAAAAAAAAAA", "wrong", ["sessionUnknown"]),
  },
  {
    section,
    name: "an ephemeral session is gone with its connection",
    async run(world) {
      const { peer, welcome } = await world.open({ resumeWindowMs: 0 });
      equal(welcome.resumeWindowMs, 0, "WELCOME.resumeWindowMs");
      peer.close();
      await peer.closed();
      await opensAnew(world, welcome.session, welcome.resumeKey, ["sessionUnknown", "sessionExpired"]);
    },
  },
  {
    section,
    name: "a session whose resume window is over opens another one, and says why",
    async run(world) {
      const { peer, welcome } = await world.open({ resumeWindowMs: 1 });
      peer.close();
      await peer.closed();
      // An attempt that comes too early resumes the session and begins its window anew: they come ever more slowly.
      for (let pauseMs = 50; pauseMs < world.target.waitMs; pauseMs *= 2) {
        await new Promise((wake) => setTimeout(wake, pauseMs));
        const again = await world.open({ session: welcome.session, resumeKey: welcome.resumeKey });
        if (again.welcome.outcome === "opened") {
          check(
            ["sessionExpired", "sessionUnknown"].includes(again.welcome.cause ?? ""),
            `WELCOME.cause is ${again.welcome.cause}`,
          );
          return;
        }
        again.peer.close();
        await again.peer.closed();
      }
      check(false, "a session with a resume window of 1 ms is still resumed");
    },
  },
  {
    section,
    name: "HELLO's resumeWindowMs is the one in force",
    async run(world) {
      equal((await world.open({ resumeWindowMs: 61_000 })).welcome.resumeWindowMs, 61_000, "WELCOME.resumeWindowMs");
    },
  },
  {
    section,
    name: "a HELLO for an attached session supersedes the older connection",
    async run(world) {
      const older = await world.open();
      const { session, resumeKey } = older.welcome;
      const newer = await world.open({ session, resumeKey });
      equal(newer.welcome.outcome, "resumed", "WELCOME.outcome");
      await older.peer.ended("superseded");
      await newer.peer.fence();
    },
  },
  {
    section,
    name: "a superseded owner's publishes so far are settled in the newer WELCOME",
    async run(world) {
      const topic = world.topic("t");
      const older = await world.open();
      await older.publish(numbered(topic, 5));
      const { session, resumeKey } = older.welcome;
      equal((await world.open({ session, resumeKey })).welcome.publishedUpTo, 5, "WELCOME.publishedUpTo");
    },
  },
  {
    section,
    name: "a resumed session gets one SUBSCRIBED with ref 0 for each subscription",
    async run(world) {
      const client = await world.open();
      const filters = [world.topic("a"), world.topic("b.*"), world.topic("c.>")];
      await client.subscribe(filters[0] as string, { qos: 1, window: { records: 17, bytes: 600_000 } });
      await client.subscribe(filters[1] as string, { qos: 2 });
      await client.subscribe(filters[2] as string, { qos: 0 });
      const back = await world.resume(client);
      const restored = [];
      for (const filter of filters) restored.push((await back.restored(filter)).subscribed);
      equal(
        restored.map(({ qos }) => qos),
        [1, 2, 0],
        "qos",
      );
      equal(restored[0]?.window, { records: 17, bytes: 600_000 }, "window");
      for (const one of restored) equal(one.chains.map(({ lane }) => lane).sort(), [0, 1, 2, 3], "lanes");
      await back.peer.fence();
      equal(back.peer.unread("subscribed").length, 0, "further SUBSCRIBED frames");
    },
  },
  {
    section,
    name: "an unsubscribed filter is not restored",
    async run(world) {
      const client = await world.open();
      const kept = world.topic("kept");
      const gone = world.topic("gone");
      await client.subscribe(kept);
      await client.subscribe(gone);
      const ref = client.ref();
      client.peer.send({ type: "unsubscribe", ref, filter: gone });
      await client.peer.answer("unsubscribed", ref);
      const back = await world.resume(client);
      await back.restored(kept);
      await back.peer.fence();
      equal(
        back.peer.unread("subscribed").map(({ filter }) => filter),
        [],
        "further SUBSCRIBED frames",
      );
    },
  },
  {
    section,
    name: "records published while a session was away are delivered after its resume, once and in order",
    async run(world) {
      const topic = world.topic("t");
      const away = await world.open();
      const before = await away.subscribe(topic);
      const writer = await world.open();
      await writer.publish(numbered(topic, 3));
      await before.take(3);
      before.ack();
      await away.peer.fence();
      away.peer.close();
      await away.peer.closed();
      await writer.publish([
        { topic, text: "4" },
        { topic, text: "5" },
      ]);
      const after = await (await world.resume(away)).restored(topic);
      equal(after.subscribed.resume.kind, "replay", "SUBSCRIBED.resume");
      equal(texts(await after.take(2)), ["4", "5"], "records after the resume");
    },
  },
  {
    section,
    name: "records that were not ACKed are delivered again after a resume",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const before = await client.subscribe(topic);
      await client.publish(numbered(topic, 4));
      const [, second] = await before.take(4);
      client.peer.send({ type: "ack", upTo: [{ chain: before.chain(2), seq: second?.seq ?? 0 }] });
      await client.peer.fence();
      const after = await (await world.resume(client)).restored(topic);
      equal(after.last.get(after.chain(2)), second?.seq, "last after the resume");
      equal(texts(await after.take(2)), ["3", "4"], "records after the resume");
    },
  },
  {
    section,
    name: "a session that missed nothing gets nothing again",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const before = await client.subscribe(topic);
      await client.publish(numbered(topic, 3));
      await before.take(3);
      before.ack();
      const back = await world.resume(client);
      const after = await back.restored(topic);
      check(
        ["upToDate", "replay"].includes(after.subscribed.resume.kind),
        `SUBSCRIBED.resume is ${after.subscribed.resume.kind}`,
      );
      await back.publishOne(topic, "4");
      equal(texts(await after.take(1)), ["4"], "first record after the resume");
    },
  },
  {
    section,
    name: "QoS 2: the position that HELLO tells is where delivery goes on",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const before = await client.subscribe(topic, { qos: 2 });
      await client.publish(numbered(topic, 4));
      const third = (await before.take(4))[2];
      const held = { filter: topic, lane: 2, seq: third?.seq ?? 0 } as const;
      const back = await world.resume(client, { epoch: client.welcome.epoch, positions: [held] });
      const after = await back.restored(topic);
      equal(after.last.get(after.chain(2)), held.seq, "last after the resume");
      equal(texts(await after.take(1)), ["4"], "records after the resume");
    },
  },
  {
    section,
    name: "QoS 2: a position below the acknowledged one does not move delivery back",
    async run(world) {
      const topic = world.topic("t");
      const client = await world.open();
      const before = await client.subscribe(topic, { qos: 2 });
      await client.publish(numbered(topic, 3));
      const [first] = await before.take(3);
      before.ack();
      await client.peer.fence();
      const held = { filter: topic, lane: 2, seq: first?.seq ?? 0 } as const;
      const back = await world.resume(client, { epoch: client.welcome.epoch, positions: [held] });
      const after = await back.restored(topic);
      await back.publishOne(topic, "4");
      equal(texts(await after.take(1)), ["4"], "first record after the resume");
    },
  },
];
