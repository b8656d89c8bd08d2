/**
 * Section "Presence".
 * @module
 */
import type { Presences } from "../../../src/protocol/feature-frame.ts";
import { CaseSkipped, check, equal } from "../peer.ts";
import { bytes, type Client, type ConformanceCase, text, type World } from "../world.ts";

const section = "Presence";

/** A client of a gateway that offers it. */
async function open(world: World, hello: Parameters<World["open"]>[0] = {}): Promise<Client> {
  const client = await world.open(hello);
  if (!client.welcome.features.includes("presence")) throw new CaseSkipped("WELCOME does not name presence");
  return client;
}

async function track(client: Client, topic: string, data?: string): Promise<void> {
  const ref = client.ref();
  client.peer.send({ type: "track", ref, topic, ...(data === undefined ? {} : { data: bytes(data) }) });
  equal((await client.peer.answer("tracked", ref)).on, true, "TRACKED.on");
}

async function ask(
  client: Client,
  topic: string,
  more: Partial<{ watch: boolean; cursor: string; limit: number }> = {},
) {
  const ref = client.ref();
  client.peer.send({ type: "presence", ref, topic, ...more });
  return await client.peer.answer("presences", ref);
}

const sessionsOf = ({ members }: Pick<Presences, "members">): string[] => members.map(({ session }) => session);

export const presenceCases: readonly ConformanceCase[] = [
  {
    section,
    name: "who tracks is shown with session, data and since, and the session is shown once",
    async run(world) {
      const [topic, here, other] = [world.topic("room"), await open(world), await open(world)];
      await track(here, topic, "one");
      await track(here, topic, "two");
      const { total, members, next } = await ask(other, topic);
      equal([total, next, sessionsOf({ members })], [1, undefined, [here.welcome.session]], "PRESENCES");
      equal(text(members[0]?.data ?? new Uint8Array()), "two", "data");
      check(Math.abs((members[0]?.since ?? 0) - here.welcome.time) < 60_000, "since is about now");
    },
  },
  {
    section,
    name: "UNTRACK ends it at once, and is answered though there was nothing to end",
    async run(world) {
      const [topic, here] = [world.topic("room"), await open(world)];
      await track(here, topic);
      for (let i = 0; i < 2; i++) {
        const ref = here.ref();
        here.peer.send({ type: "untrack", ref, topic });
        equal((await here.peer.answer("tracked", ref)).on, false, "TRACKED.on");
        equal((await ask(here, topic)).total, 0, "total");
      }
    },
  },
  {
    section,
    name: "members are paged in order of their sessions, each once",
    async run(world) {
      const topic = world.topic("room");
      const clients = [];
      for (let i = 0; i < 5; i++) clients.push(await open(world));
      for (const client of clients) await track(client, topic);
      const seen: string[] = [];
      let page = await ask(clients[0] as Client, topic, { limit: 2 });
      for (let pages = 1; ; pages++) {
        equal(page.total, 5, "total");
        seen.push(...sessionsOf(page));
        if (page.next === undefined) break;
        check(pages < 5, "the pages come to an end");
        page = await ask(clients[0] as Client, topic, { limit: 2, cursor: page.next });
      }
      equal(seen, clients.map(({ welcome }) => welcome.session).sort(), "sessions");
    },
  },
  {
    section,
    name: "a watcher is told who comes, changes and goes, until it stops",
    async run(world) {
      const [topic, watcher, guest] = [world.topic("room"), await open(world), await open(world)];
      const { session } = guest.welcome;
      equal((await ask(watcher, topic, { watch: true })).total, 0, "total before");
      await track(guest, topic, "a");
      const came = await watcher.peer.expect("presenceChanged");
      equal(
        [came.topic, came.total, sessionsOf({ members: came.joined }), came.left],
        [topic, 1, [session], []],
        "came",
      );
      await track(guest, topic, "b");
      const changed = await watcher.peer.expect("presenceChanged");
      equal(
        changed.joined.map(({ data }) => text(data ?? new Uint8Array())),
        ["b"],
        "changed",
      );
      const ref = guest.ref();
      guest.peer.send({ type: "untrack", ref, topic });
      await guest.peer.answer("tracked", ref);
      const went = await watcher.peer.expect("presenceChanged");
      equal([went.total, went.joined, went.left], [0, [], [session]], "went");
      await ask(watcher, topic, { watch: false });
      await track(guest, topic);
      await watcher.peer.fence();
      equal(watcher.peer.unread("presenceChanged"), [], "after the watch ended");
    },
  },
  {
    section,
    name: "a session that is resumed and says TRACK again never left",
    async run(world) {
      const [topic, watcher, first] = [world.topic("room"), await open(world), await open(world)];
      await track(first, topic, "a");
      equal((await ask(watcher, topic, { watch: true })).total, 1, "total");
      first.peer.close();
      const { session, resumeKey } = first.welcome;
      const second = await open(world, { session, resumeKey });
      equal(second.welcome.outcome, "resumed", "outcome");
      await track(second, topic, "a");
      const { total, members } = await ask(watcher, topic);
      equal([total, sessionsOf({ members })], [1, [session]], "PRESENCES");
      equal(watcher.peer.unread("presenceChanged"), [], "changes");
    },
  },
  {
    section,
    name: "a filter, a reserved topic and data that is too large are refused with the ref",
    async run(world) {
      const [here, topic] = [await open(world), world.topic("room")];
      const tracks = [
        ["badTopic", { topic: `${topic}.*` }],
        ["reservedTopic", { topic: "$dead.room" }],
        ["payloadTooLarge", { topic, data: new Uint8Array(600_000) }],
      ] as const;
      for (const [name, frame] of tracks) {
        const ref = here.ref();
        here.peer.send({ type: "track", ref, ...frame });
        await here.peer.refusal(name, (error) => error.ref === ref);
      }
      equal((await ask(here, topic)).total, 0, "total");
    },
  },
];
