/**
 * Which node a client belongs to.
 */
import { describe, expect, test } from "bun:test";
import {
  type Asker,
  Assigner,
  type BalancingOptions,
  balancingDefaults,
  decisionsMax,
} from "../../../src/runtime/cluster/assigner.ts";
import { chanceFrom } from "../../sim/random.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { Members, member } from "./members.ts";

type Given = { members?: Members; options?: Partial<BalancingOptions>; owners?: Readonly<Record<string, string>> };

const three = (): Members => new Members(member("a"), member("b"), member("c"));
const somebody: Asker = { subject: "" };
const berlin = { latitude: 52.5, longitude: 13.4 };
const sydney = { latitude: -33.9, longitude: 151.2 };

function world({ members = three(), options = {}, owners = {} }: Given = {}) {
  const clock = new ManualClock();
  clock.advance(1_000_000);
  const chance = chanceFrom("assigner");
  const assigner = new Assigner(
    {
      clock,
      random: { next: chance.next, token: chance.token },
      membership: members,
      ownerOf: async (session) => owners[session],
      locate: (address) => (address === "10.0.0.1" ? sydney : undefined),
    },
    { ...balancingDefaults, ...options },
  );
  const choose = async (asker: Asker = somebody): Promise<string | undefined> =>
    (await assigner.choose(asker))?.member.node;
  const chosen = async (times: number, asker: Asker = somebody): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < times; i++) {
      const node = (await choose(asker)) ?? "nobody";
      counts[node] = (counts[node] ?? 0) + 1;
    }
    return counts;
  };
  /** A beat, and the time until it is looked at. */
  const beats: Members["beats"] = (...beat) => {
    members.beats(...beat);
    clock.advance(100);
  };
  return { clock, assigner, members, beats, choose, chosen };
}

describe("Assigner", () => {
  test("spreads those that come between two beats, and goes by the new beat when it comes", async () => {
    const { beats, chosen } = world({ options: { algorithm: "leastConnections" } });
    expect(await chosen(9)).toEqual({ a: 3, b: 3, c: 3 });
    beats("a", { load: { connections: 30 } });
    expect(await chosen(6)).toEqual({ b: 3, c: 3 });
    beats("b", {}); // What was sent there has gone again.
    expect(await chosen(6)).toEqual({ b: 6 });
  });

  test("chooses healthy nodes alone, suspect ones when none is healthy, and none when there is none", async () => {
    const { beats, chosen, choose } = world();
    for (const status of ["unhealthy", "draining", "left", "joining", "suspect"] as const) {
      beats("b", { status });
      expect(Object.keys(await chosen(20)).sort()).toEqual(["a", "c"]);
    }
    for (const node of ["a", "c"]) beats(node, { status: "unhealthy" });
    expect(await chosen(3)).toEqual({ b: 3 });
    beats("b", { status: "left" });
    expect(await choose()).toBeUndefined();
  });

  test("a session goes to the node that has it, while that one is healthy", async () => {
    const { beats, assigner, chosen } = world({ owners: { S1: "c" } });
    expect(await chosen(5, { subject: "", session: "S1" })).toEqual({ c: 5 });
    expect(await assigner.choose({ subject: "", session: "S1" })).toMatchObject({
      decision: { id: "c", why: { rule: "owner", session: "S1" } },
    });
    beats("c", { status: "unhealthy" });
    expect((await chosen(20, { subject: "", session: "S1" }))["c"]).toBeUndefined();
    expect(Object.keys(await chosen(20, { subject: "", session: "unknown" })).sort()).toEqual(["a", "b"]);
  });

  test("affinity keeps an address, a user or a session at one node, another one's coming and going aside", async () => {
    const askers = [
      ["ip", { subject: "", address: "192.0.2.7" }],
      ["user", { subject: "alice" }],
      ["session", { subject: "", session: "S9" }],
    ] as const;
    for (const [affinity, asker] of askers) {
      const { beats, chosen } = world({ options: { affinity } });
      const [home = ""] = Object.keys(await chosen(10, asker));
      expect(await chosen(10, asker)).toEqual({ [home]: 10 });
      const other = ["a", "b", "c"].find((node) => node !== home) ?? "";
      beats(other, { status: "left" });
      expect(await chosen(10, asker)).toEqual({ [home]: 10 });
      beats(home, { status: "left" });
      const moved = Object.keys(await chosen(10, asker));
      expect(moved).toHaveLength(1);
      beats(home, {});
      expect(await chosen(10, asker)).toEqual({ [home]: 10 });
    }
  });

  test("a key of the asker's own comes before affinity and owner; who has none goes by the rule", async () => {
    const { chosen, assigner } = world({ options: { affinity: "user" }, owners: { S1: "c" } });
    const [home = ""] = Object.keys(await chosen(10, { subject: "", key: "room-1", session: "S1" }));
    expect(await chosen(10, { subject: "bob", key: "room-1" })).toEqual({ [home]: 10 });
    expect((await assigner.choose(somebody))?.decision.why.rule).toBe("powerOfTwo");
  });

  test("geographic goes by what the client says, else by where its address is", async () => {
    const members = new Members(member("eu", { location: berlin }), member("au", { location: sydney }));
    const { choose, assigner } = world({ members, options: { algorithm: "geographic" } });
    expect(await choose({ subject: "", address: "10.0.0.1" })).toBe("au");
    expect(await choose({ subject: "", address: "10.0.0.1", location: berlin })).toBe("eu");
    expect((await assigner.choose({ subject: "", address: "10.0.0.2" }))?.decision.why).toMatchObject({
      lacking: "location",
    });
  });

  test("failover order: the first zone that has a healthy node, those not named last", async () => {
    const members = new Members(
      member("x", { zone: "far" }),
      member("y", { zone: "near" }),
      member("z", { zone: "here" }),
      member("n"),
    );
    const { beats, chosen } = world({ members, options: { failover: ["here", "near"] } });
    expect(await chosen(5)).toEqual({ z: 5 });
    beats("z", { zone: "here", status: "draining" });
    expect(await chosen(5)).toEqual({ y: 5 });
    beats("y", { zone: "near", status: "left" });
    expect(Object.keys(await chosen(20)).sort()).toEqual(["n", "x"]);
  });

  test("a node that clients could not get into is left out for a time", async () => {
    const { clock, assigner, chosen } = world();
    for (let i = 0; i < 5; i++) assigner.failed("b");
    expect((await chosen(30))["b"]).toBeUndefined();
    clock.advance(30_001);
    expect((await chosen(30))["b"]).toBeGreaterThan(0);
  });

  test("configure() holds from the next decision on", async () => {
    const { assigner, chosen } = world();
    assigner.configure({ ...balancingDefaults, algorithm: "roundRobin" });
    expect(await chosen(6)).toEqual({ a: 2, b: 2, c: 2 });
    expect(assigner.options.algorithm).toBe("roundRobin");
  });

  test("stays(): who is served here counts here, not where the rule would have sent it", async () => {
    const members = new Members(member("a"), member("b"));
    const { assigner } = world({ members, options: { algorithm: "leastConnections", redirectMargin: 100 } });
    const chosen: string[] = [];
    for (let i = 0; i < 4; i++) {
      const assignment = await assigner.choose(somebody);
      if (assignment === undefined) throw new Error("Nobody was chosen");
      expect(assigner.isBetter(assignment, somebody)).toBe(false);
      assigner.stays(assignment);
      chosen.push(assignment.member.node);
    }
    expect(chosen.slice(1)).toEqual(["b", "b", "b"]);
  });

  test("isBetter() once this node has more in hand by the margin", async () => {
    const members = new Members(member("a", { load: { connections: 10 } }), member("b", { load: { connections: 9 } }));
    const { assigner, beats } = world({ members, options: { algorithm: "leastConnections" } });
    const isBetter = async (): Promise<boolean> => {
      const assignment = await assigner.choose(somebody);
      return assignment !== undefined && assigner.isBetter(assignment, somebody);
    };
    expect(await isBetter()).toBe(false);
    beats("a", { load: { connections: 100 } });
    expect(await isBetter()).toBe(true);
  });

  test("decisions() tells the newest first with their reasons, and forgets the oldest", async () => {
    const { assigner } = world();
    expect(assigner.decisions()).toEqual([]);
    for (let i = 0; i < decisionsMax + 3; i++) {
      const asker = { subject: `user-${i}`, session: `S${i}` };
      const assignment = await assigner.choose(asker);
      if (assignment !== undefined) assigner.noted("assign", asker, assignment.decision);
    }
    const decisions = assigner.decisions();
    expect([decisions.length, decisions[0]?.subject, decisions.at(-1)?.subject]).toEqual([
      ...[decisionsMax, `user-${decisionsMax + 2}`, "user-3"],
    ]);
    expect(decisions[0]).toMatchObject({ way: "assign", session: `S${decisionsMax + 2}`, why: { rule: "powerOfTwo" } });
    expect(decisions[0]?.text).toMatch(/^powerOfTwo: [abc] \d+ [<=] [abc] \d+$/);
  });
});
