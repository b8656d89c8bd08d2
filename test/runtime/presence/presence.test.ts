/**
 * Presence as connections meet it, on two nodes with a bus between them and a clock that runs when told.
 */
import { describe, expect, test } from "bun:test";
import type { Presence as Ask, Track, Untrack } from "../../../src/protocol/feature-frame.ts";
import type { Frame } from "../../../src/protocol/frame.ts";
import type { SessionId } from "../../../src/protocol/ids.ts";
import { type Limits, limits } from "../../../src/protocol/limits.ts";
import { LocalHub, localBus } from "../../../src/runtime/bus/local.ts";
import type { Member } from "../../../src/runtime/cluster/membership.ts";
import type { Attachment } from "../../../src/runtime/features/feature.ts";
import type { Identity } from "../../../src/runtime/ports.ts";
import { Presence } from "../../../src/runtime/presence/presence.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const everything = { publish: [">"], subscribe: [">"] };
const { presenceGraceMs: graceMs } = limits;
const utf8 = new TextEncoder();

type Numbered = { readonly ref: number };
type Said = Omit<Track, keyof Numbered> | Omit<Untrack, keyof Numbered> | Omit<Ask, keyof Numbered>;

class Stage {
  readonly clock = new ManualClock();
  readonly #hub = new LocalHub();
  readonly alive = new Set<string>();

  node(name: string, own: Partial<Limits> = {}) {
    this.alive.add(name);
    const all = { ...limits, ...own };
    const presence = new Presence({
      ports: { clock: this.clock, bus: localBus(this.clock, this.#hub) },
      limits: all,
      cluster: {
        self: { node: name, incarnation: "i" },
        member: (node) =>
          this.alive.has(node) ? ({ node, incarnation: "i", status: "healthy" } as Member) : undefined,
      },
    });
    /** A connection that carries the session. */
    const connect = (session: string, { owner = 1, ...identity }: Partial<Identity & { owner: number }> = {}) => {
      const sent: Frame[] = [];
      const state = { bufferedBytes: 0, identity: { subject: `of ${session}`, ...everything, ...identity } };
      const peer = {
        limits: all,
        get identity() {
          return state.identity;
        },
        bufferedBytes: () => state.bufferedBytes,
        send: (frame: Frame) => void sent.push(frame),
      } as unknown as Attachment["peer"];
      const attachment: Attachment = { session: session as SessionId, owner, peer };
      presence.attached(attachment);
      let ref = 0;
      const say = (frame: Said) => {
        presence.receive(attachment, { ...frame, ref: ++ref } as Parameters<Presence["receive"]>[1]);
        return sent.at(-1);
      };
      return { attachment, sent, state, say, take: () => sent.splice(0), lose: () => presence.detached(attachment) };
    };
    const who = (topic: string) =>
      presence
        .page(topic, { limit: 1_000, bytesMax: 1e9 })
        .members.map(({ session, source }) => `${session}@${source.node}`);
    return { presence, connect, who };
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      this.clock.advance(Math.min(50, left));
      for (let i = 0; i < 8; i++) await Promise.resolve();
    }
  }
}

const track = (topic: string, data?: string) =>
  ({ type: "track", topic, ...(data === undefined ? {} : { data: utf8.encode(data) }) }) as const;
const errorOf = (frame: Frame | undefined) => (frame?.type === "error" ? frame.cause : frame?.type);

describe("Presence on one node", () => {
  test("shows who tracks, with data and since when, and PRESENCE pages through them in order", async () => {
    const stage = new Stage();
    const { connect } = stage.node("n1");
    const asker = connect("asker");
    for (const session of ["s3", "s1", "s2"])
      expect(connect(session).say(track("a", session))).toMatchObject({ on: true });
    const since = stage.clock.now();
    const one = (session: string) => ({ session, subject: `of ${session}`, since, data: utf8.encode(session) });
    expect(asker.say({ type: "presence", topic: "a", limit: 2 })).toEqual({
      ...{ type: "presences", ref: 1, topic: "a", total: 3, members: [one("s1"), one("s2")], next: "s2" },
    });
    expect(asker.say({ type: "presence", topic: "a", limit: 2, cursor: "s2" })).toEqual({
      ...{ type: "presences", ref: 2, topic: "a", total: 3, members: [one("s3")] },
    });
    expect(asker.say({ type: "presence", topic: "nobody" })).toMatchObject({ total: 0, members: [] });
  });

  test("1 000 members are paged whole, 100 at a time when nobody says otherwise", () => {
    const { connect } = new Stage().node("n1");
    for (let i = 0; i < 1_000; i++) connect(`s${i}`).say(track("a"));
    const asker = connect("asker");
    const seen = new Set<string>();
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = asker.say({ type: "presence", topic: "a", ...(cursor === undefined ? {} : { cursor }) });
      if (page?.type !== "presences") throw new Error(`got ${page?.type}`);
      expect([page.total, page.members.length]).toEqual([1_000, 100]);
      for (const { session } of page.members) seen.add(session);
      cursor = page.next;
      pages++;
    } while (cursor !== undefined);
    expect([seen.size, pages]).toEqual([1_000, 10]);
  });

  test("a page holds no more bytes than a delivery", () => {
    const { connect } = new Stage().node("n1", { deliverBytesMax: 3_000 });
    for (let i = 0; i < 10; i++) connect(`s${i}`).say(track("a", "x".repeat(1_000)));
    const page = connect("asker").say({ type: "presence", topic: "a" });
    expect(page).toMatchObject({ total: 10, next: "s1" });
  });

  test("who untracks, or whose session ends, leaves at once; who loses its connection after the time of grace", async () => {
    const stage = new Stage();
    const { presence, connect, who } = stage.node("n1");
    const [untracks, ends, loses] = [connect("untracks"), connect("ends"), connect("loses")];
    for (const client of [untracks, ends, loses]) client.say(track("a"));
    expect(untracks.say({ type: "untrack", topic: "a" })).toMatchObject({ type: "tracked", on: false });
    ends.lose();
    presence.gone("ends" as SessionId, "ended");
    loses.lose();
    expect(who("a")).toEqual(["loses@n1"]);
    await stage.pass(graceMs - 600);
    expect(who("a")).toEqual(["loses@n1"]);
    await stage.pass(1_200);
    expect(who("a")).toEqual([]);
    expect(presence.figures).toMatchObject({ members: 0, tracked: 0, topics: 0 });
  });

  test("who comes back in time and says it again never left, keeps its since, and is told to nobody", async () => {
    const stage = new Stage();
    const { connect, who, presence } = stage.node("n1");
    const watcher = connect("watcher");
    watcher.say({ type: "presence", topic: "a", watch: true });
    const first = connect("s");
    first.say(track("a", "hi"));
    first.say(track("b"));
    await stage.pass(100);
    watcher.take();
    const since = presence.page("a", { limit: 1, bytesMax: 1 }).members[0]?.since;
    first.lose();
    await stage.pass(2_000);
    const second = connect("s", { owner: 2 });
    second.say(track("a", "hi"));
    await stage.pass(2 * graceMs);
    expect(watcher.take()).toEqual([]);
    expect([who("a"), who("b")]).toEqual([["s@n1"], []]);
    expect(presence.page("a", { limit: 1, bytesMax: 1 }).members[0]?.since).toBe(since as number);
  });

  test("a connection that ends after its session was taken over takes nothing with it", async () => {
    const stage = new Stage();
    const { connect, who } = stage.node("n1");
    const first = connect("s");
    first.say(track("a"));
    const second = connect("s", { owner: 2 });
    second.say(track("a"));
    first.lose();
    await stage.pass(2 * graceMs);
    expect(who("a")).toEqual(["s@n1"]);
  });

  test("watchers are told together what changed in a moment, as it is then, until they stop or go", async () => {
    const stage = new Stage();
    const { connect, presence } = stage.node("n1");
    const watcher = connect("watcher");
    expect(watcher.say({ type: "presence", topic: "a", watch: true })).toMatchObject({ type: "presences", total: 0 });
    watcher.take();
    const [one, two] = [connect("s1"), connect("s2")];
    one.say(track("a", "1"));
    two.say(track("a"));
    one.say(track("a", "2"));
    two.say({ type: "untrack", topic: "a" });
    expect(watcher.take()).toEqual([]);
    await stage.pass(100);
    const since = stage.clock.now() - 100;
    const joined = [{ session: "s1", subject: "of s1", since, data: utf8.encode("2") }];
    expect(watcher.take()).toEqual([{ type: "presenceChanged", topic: "a", total: 1, joined, left: ["s2"] }]);
    watcher.say({ type: "presence", topic: "a", watch: false });
    watcher.take();
    two.say(track("a"));
    await stage.pass(100);
    expect(watcher.take()).toEqual([]);
    watcher.say({ type: "presence", topic: "a", watch: true });
    watcher.lose();
    expect(presence.figures.watches).toBe(0);
  });

  test("a watcher whose socket is full is told later, everything once", async () => {
    const stage = new Stage();
    const { connect } = stage.node("n1");
    const watcher = connect("watcher");
    watcher.say({ type: "presence", topic: "a", watch: true });
    watcher.take();
    watcher.state.bufferedBytes = 1_000_000;
    const members = Array.from({ length: 3 }, (_, i) => connect(`s${i}`));
    for (const one of members) {
      one.say(track("a"));
      await stage.pass(100);
    }
    members[0]?.say({ type: "untrack", topic: "a" });
    await stage.pass(1_000);
    expect(watcher.take()).toEqual([]);
    watcher.state.bufferedBytes = 0;
    await stage.pass(100);
    const told = watcher.take();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ total: 2, joined: [{ session: "s1" }, { session: "s2" }], left: ["s0"] });
  });

  test("bounds: topics of a session, watches of a connection, members of a topic, bytes of data", () => {
    const bounds = { presencePerSessionMax: 2, presencePerTopicMax: 3, presenceDataBytesMax: 4 };
    const { connect } = new Stage().node("n1", bounds);
    const one = connect("s0");
    expect(["a", "b", "a", "c"].map((topic) => errorOf(one.say(track(topic))))).toEqual([
      ...["tracked", "tracked", "tracked", "presenceTooMany"],
    ]);
    const watches = ["a", "b", "a", "c"].map((topic) => errorOf(one.say({ type: "presence", topic, watch: true })));
    expect(watches).toEqual(["presences", "presences", "presences", "presenceTooMany"]);
    expect([1, 2, 3].map((i) => errorOf(connect(`s${i}`).say(track("a"))))).toEqual([
      ...["tracked", "tracked", "presenceTooMany"],
    ]);
    expect([errorOf(one.say(track("a", "1234"))), errorOf(one.say(track("a", "12345")))]).toEqual([
      ...["tracked", "payloadTooLarge"],
    ]);
  });

  test("claims: to be present and to ask takes subscribe, data publish too; filters and the gateway's topics are none", () => {
    const { connect } = new Stage().node("n1");
    const reader = connect("s", { publish: [], subscribe: ["a", "b.*"] });
    const answers = [track("a"), track("b.c"), track("b"), track("a", "1"), track("b.*"), track("$dead.a")];
    expect(answers.map((frame) => errorOf(reader.say(frame)))).toEqual([
      ...["tracked", "tracked", "subscribeForbidden", "publishForbidden", "badTopic", "reservedTopic"],
    ]);
    expect(errorOf(reader.say({ type: "presence", topic: "c" }))).toBe("subscribeForbidden");
  });

  test("a renewed token that allows less ends what it does not allow", async () => {
    const stage = new Stage();
    const { connect, who, presence } = stage.node("n1");
    const client = connect("s");
    for (const topic of ["a", "b"]) {
      client.say(track(topic));
      client.say({ type: "presence", topic, watch: true });
    }
    client.take();
    client.state.identity = { subject: "s", publish: [], subscribe: ["a"] };
    presence.reauthenticated(client.attachment);
    expect(client.take()).toMatchObject([
      { type: "error", cause: "subscribeForbidden", ref: 4 },
      { type: "tracked", ref: 0, topic: "b", on: false },
    ]);
    expect([who("a"), who("b"), presence.figures.watches]).toEqual([["s@n1"], [], 1]);
  });
});

describe("Presence on two nodes", () => {
  test("shows members and tells changes of both, and a node that starts later knows within a second", async () => {
    const stage = new Stage();
    const [first, second] = [stage.node("n1"), stage.node("n2")];
    const watcher = second.connect("watcher");
    watcher.say({ type: "presence", topic: "a", watch: true });
    watcher.take();
    first.connect("s1").say(track("a"));
    second.connect("s2").say(track("a"));
    await stage.pass(200);
    expect([first.who("a"), second.who("a")]).toEqual([
      ["s1@n1", "s2@n2"],
      ["s1@n1", "s2@n2"],
    ]);
    expect(watcher.take().flatMap((frame) => (frame.type === "presenceChanged" ? frame.joined : []))).toHaveLength(2);
    const third = stage.node("n3");
    await stage.pass(1_200);
    expect(third.who("a")).toEqual(["s1@n1", "s2@n2"]);
  });

  test("a session that moves never leaves, and keeps its since; one that says nothing there leaves after the grace", async () => {
    const stage = new Stage();
    const [first, second] = [stage.node("n1"), stage.node("n2")];
    const watcher = first.connect("watcher");
    watcher.say({ type: "presence", topic: "a", watch: true });
    const here = first.connect("s");
    here.say(track("a", "x"));
    here.say(track("b", "x"));
    await stage.pass(1_000);
    watcher.take();
    here.lose();
    first.presence.gone("s" as SessionId, "elsewhere");
    const there = second.connect("s", { owner: 2 });
    there.say(track("a", "x"));
    await stage.pass(600);
    expect([first.who("a"), second.who("a")]).toEqual([["s@n2"], ["s@n2"]]);
    expect(second.who("b")).toEqual(["s@n1"]);
    // What the old node still had is no reason to be shown again.
    there.say({ type: "untrack", topic: "a" });
    await stage.pass(200);
    expect([first.who("a"), second.who("a")]).toEqual([[], []]);
    await stage.pass(graceMs);
    expect([first.who("b"), second.who("b")]).toEqual([[], []]);
    expect(watcher.take().map((frame) => frame.type === "presenceChanged" && frame.left)).toEqual([["s"]]);
  });

  test("members of a node that dies leave after the grace, but who is elsewhere by then", async () => {
    const stage = new Stage();
    const [first, second] = [stage.node("n1"), stage.node("n2")];
    for (const session of ["moves", "stays"]) first.connect(session).say(track("a"));
    await stage.pass(200);
    stage.alive.delete("n1");
    await first.presence.stop();
    await stage.pass(2_000);
    second.connect("moves", { owner: 2 }).say(track("a"));
    expect(second.who("a")).toEqual(["moves@n2", "stays@n1"]);
    await stage.pass(graceMs);
    expect(second.who("a")).toEqual(["moves@n2"]);
  });
});
