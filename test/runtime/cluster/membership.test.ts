/**
 * What nodes know of each other, by beats, leases and silence.
 */
import { describe, expect, test } from "bun:test";
import type { NodeEvent } from "../../../src/actors/node/events.ts";
import { ClusterStage, type StagedNode, statuses } from "./cluster-stage.ts";

async function three() {
  const stage = new ClusterStage();
  const [a, b, c] = [
    await stage.start({ node: "a" }),
    await stage.start({ node: "b" }),
    await stage.start({ node: "c" }),
  ];
  return { stage, a, b, c };
}
const statusOf = ({ membership }: StagedNode, node: string) => membership.member(node)?.status;
const told = (events: readonly NodeEvent[]) =>
  events.map((event) => (event.type === "StatusChanged" ? event.status : event.type));

describe("members()", () => {
  test("lists every node with status, address, version and load, this one too, by name", async () => {
    const stage = new ClusterStage();
    const b = await stage.start({ node: "b", load: { connections: 7, cpu: 0.5, acceleratorFreeBytes: 9 } });
    const a = await stage.start({ node: "a", version: "1.1.0" });
    await stage.pass(500);
    for (const { membership } of [a, b]) {
      expect(statuses(membership.members())).toEqual(["a healthy", "b healthy"]);
      expect(membership.member("b")).toMatchObject({
        ...{ incarnation: "i1", url: "ws://b/", http: "http://b", version: "1.0.0", weight: 1, compatible: true },
        protocol: { min: 1, max: 1 },
        load: { connections: 7, cpu: 0.5, acceleratorFreeBytes: 9 },
      });
      expect(membership.member("a")).toMatchObject({ version: "1.1.0", load: { connections: 0 } });
    }
  });
});

describe("a member that dies without a goodbye", () => {
  test("is suspect, then unhealthy within 3 s, for all others, and its journal tells of each once", async () => {
    const { stage, a, b, c } = await three();
    c.kill();
    await stage.pass(900);
    expect(statusOf(a, "c")).toBe("healthy");
    await stage.pass(700);
    expect([statusOf(a, "c"), statusOf(b, "c")]).toEqual(["suspect", "suspect"]);
    await stage.pass(1_350); // 2 950 ms
    expect([statusOf(a, "c"), statusOf(b, "c")]).toEqual(["unhealthy", "unhealthy"]);
    expect([a.detection.count, b.detection.count]).toEqual([1, 1]);
    expect(a.detection.sumMs).toBeLessThan(3_000);
    await stage.pass(1_000);
    const journal = await stage.journal("c");
    expect(told(journal)).toEqual(["Joined", "healthy", "suspect", "unhealthy"]);
    expect(journal.at(-1)).toMatchObject({ incarnation: "i3", cause: "silent for long" });
  });

  test("is lost only when its lease is over too, and once", async () => {
    const { stage, a, b, c } = await three();
    c.kill();
    await stage.pass(5_000);
    expect([a.lost, await a.membership.isAlive("c")]).toEqual([[], true]);
    await stage.pass(14_000);
    expect([a.lost, b.lost, await a.membership.isAlive("c")]).toEqual([["c"], ["c"], false]);
  });

  test("is forgotten after ten minutes", async () => {
    const { stage, a, c } = await three();
    c.kill();
    await stage.pass(590_000);
    expect(statusOf(a, "c")).toBe("unhealthy");
    await stage.pass(15_000);
    expect(statuses(a.membership.members())).toEqual(["a healthy", "b healthy"]);
    expect(told(await stage.journal("c")).at(-1)).toBe("Left");
  }, 20_000);

  test("comes back as another process with its name at once, when the bus knows that nobody answers for it", async () => {
    const { stage, a, c } = await three();
    c.kill();
    await stage.pass(500);
    const again = stage.node({ node: "c", incarnation: "second" });
    const before = stage.clock.now();
    await stage.done(again.membership.claim());
    expect(stage.clock.now() - before).toBeLessThan(500);
    again.membership.joined({ url: "ws://c2/", http: "http://c2" });
    await stage.pass(600);
    expect(a.membership.member("c")).toMatchObject({ status: "healthy", incarnation: "second", url: "ws://c2/" });
    expect(told(await stage.journal("c"))).toEqual(["Joined", "healthy", "Joined", "healthy"]);
    expect(a.lost).toEqual([]);
  });
});

describe("a member that leaves", () => {
  test("has left for all others at once, and may be taken from at once", async () => {
    const { stage, a, b, c } = await three();
    c.membership.drains("deploy");
    await stage.pass(50);
    expect(a.membership.member("c")).toMatchObject({ status: "draining", cause: "deploy" });
    await stage.done(c.membership.leave("deploy"));
    await stage.pass(100);
    expect([statusOf(a, "c"), statusOf(b, "c"), a.lost, b.lost]).toEqual(["left", "left", ["c"], ["c"]]);
    expect(await a.membership.isAlive("c")).toBe(false);
    expect(told(await stage.journal("c"))).toEqual(["Joined", "healthy", "draining", "Left"]);
  });

  test("takes clients again when it is told to", async () => {
    const { stage, a, c } = await three();
    c.membership.drains("look");
    c.membership.undrained();
    await stage.pass(50);
    expect([statusOf(a, "c"), c.membership.self.status]).toEqual(["healthy", "healthy"]);
    expect(a.seen.filter((line) => line.startsWith("c")).slice(-2)).toEqual(["c draining", "c healthy"]);
  });
});

describe("silence", () => {
  test("of one that stood still is over with its next beat, and its journal tells so", async () => {
    const { stage, a, b, c } = await three();
    c.mute(true);
    await stage.pass(4_000);
    expect([statusOf(a, "c"), statusOf(b, "c"), c.membership.self.status]).toEqual([
      "unhealthy",
      "unhealthy",
      "healthy",
    ]);
    c.mute(false);
    await stage.pass(550);
    expect([statusOf(a, "c"), statusOf(b, "c")]).toEqual(["healthy", "healthy"]);
    await stage.pass(500);
    expect(told(await stage.journal("c"))).toEqual(["Joined", "healthy", "suspect", "unhealthy", "healthy"]);
    expect(a.lost).toEqual([]);
  });

  test("is nothing to a node that is deaf itself", async () => {
    const { stage, a, b, c } = await three();
    c.deaf(true);
    await stage.pass(10_000);
    expect(statuses(c.membership.members())).toEqual(["a healthy", "b healthy", "c healthy"]);
    expect([statusOf(a, "c"), statusOf(b, "c")]).toEqual(["healthy", "healthy"]);
  });

  test("between two that do not hear each other is unhealthy to both, their leases hold, and each has the last word on itself", async () => {
    const stage = new ClusterStage();
    const [a, b] = [await stage.start({ node: "a" }), await stage.start({ node: "b" })];
    // Each hears itself, and not the other: as where the servers of NATS are cut from each other.
    stage.cut("a", "b");
    await stage.pass(20_000);
    expect([statusOf(a, "b"), statusOf(b, "a")]).toEqual(["unhealthy", "unhealthy"]);
    expect([a.membership.self.status, b.membership.self.status]).toEqual(["healthy", "healthy"]);
    expect([a.lost, b.lost, await a.membership.isAlive("b")]).toEqual([[], [], true]);
    const { by, status } = (await stage.journal("a")).at(-1) as Extract<NodeEvent, { type: "StatusChanged" }>;
    expect([status, by]).toEqual(["healthy", "a"]);
    stage.cut();
    await stage.pass(1_100);
    expect([statusOf(a, "b"), statusOf(b, "a")]).toEqual(["healthy", "healthy"]);
  });
});

describe("the lease", () => {
  test("keeps a second living node from a name, and says whose it is", async () => {
    const stage = new ClusterStage();
    const first = await stage.start({ node: "a" });
    const second = stage.node({ node: "a" });
    await expect(stage.done(second.membership.claim())).rejects.toThrow(
      /^A node named a runs already at ws:\/\/a\/, since .+: give this one another name with discovery.node, or stop that one$/,
    );
    await stage.pass(10_000);
    expect([first.membership.serves, first.replacedBecause]).toEqual([true, []]);
  });

  test("of one that stands still is waited for; who comes back then finds that it was replaced, and says so", async () => {
    const stage = new ClusterStage();
    const first = await stage.start({ node: "a" });
    first.deaf(true);
    first.away(true);
    first.mute(true);
    const second = stage.node({ node: "a" });
    const before = stage.clock.now();
    await stage.done(second.membership.claim());
    expect(stage.clock.now() - before).toBeGreaterThan(9_000);
    second.membership.joined({ url: "ws://a2/", http: "http://a2" });
    first.away(false);
    await stage.pass(5_000);
    expect(first.replacedBecause).toEqual(["Another process has the name a now, at ws://a2/"]);
    expect([first.membership.serves, first.membership.self.status]).toEqual([false, "unhealthy"]);
    expect(second.membership.serves).toBe(true);
  });

  test("that cannot be renewed for 10 s ends taking sessions; the node is heard all the same, so nothing of it is taken", async () => {
    const { stage, a, c } = await three();
    c.away(true);
    await stage.pass(5_500);
    expect(c.membership.serves).toBe(true);
    await stage.pass(5_000);
    expect([c.membership.serves, c.membership.self.status, statusOf(a, "c")]).toEqual([
      false,
      "unhealthy",
      "unhealthy",
    ]);
    await stage.pass(10_000);
    expect([a.lost, await a.membership.isAlive("c")]).toEqual([[], true]);
    c.away(false);
    await stage.pass(2_000);
    expect([c.membership.serves, c.membership.self.status, statusOf(a, "c")]).toEqual([true, "healthy", "healthy"]);
  });
});

describe("releases", () => {
  test("one apart work together", async () => {
    const stage = new ClusterStage();
    const old = await stage.start({ node: "old" });
    const next = await stage.start({ node: "next", version: "2.0.0", protocol: { min: 1, max: 2 } });
    await stage.pass(500);
    expect(old.membership.member("next")).toMatchObject({ status: "healthy", compatible: true, version: "2.0.0" });
    expect(next.membership.member("old")).toMatchObject({ status: "healthy", compatible: true });
    expect(old.lines.filter(({ event }) => event === "node of another release")).toEqual([]);
  });

  test("two apart: the one that comes refuses to start, and leaves nothing behind", async () => {
    const stage = new ClusterStage();
    await stage.start({ node: "old" });
    const far = stage.node({ node: "far", version: "3.0.0", protocol: { min: 2, max: 3 } });
    await expect(stage.done(far.membership.claim())).rejects.toThrow(
      "Node old at ws://old/ runs version 1.0.0 (node protocol 1), and cannot work with version 3.0.0 (node protocol 2 to 3): update one release at a time",
    );
    await stage.pass(500);
    expect((await stage.done(stage.log.keyValue.list("node/", "", 9))).map(({ key }) => key)).toEqual(["node/old"]);
  });

  test("two apart, and the one that comes does not look: the one that is there warns once, and says it of the member", async () => {
    const stage = new ClusterStage();
    const far = await stage.start({ node: "far", version: "3.0.0", protocol: { min: 2, max: 3 } });
    far.deaf(true);
    await stage.done(stage.log.keyValue.delete("node/far"));
    const old = await stage.start({ node: "old" });
    await stage.pass(2_000);
    expect(old.membership.member("far")).toMatchObject({ compatible: false, version: "3.0.0" });
    const warnings = old.lines.filter(({ event }) => event === "node of another release");
    expect(warnings.map(({ level, fields }) => [level, fields["speaks"], fields["here"]])).toEqual([
      ["warn", "2 to 3", "1"],
    ]);
  });
});
