/**
 * Where a client is sent in its handshake.
 */
import { describe, expect, test } from "bun:test";
import { Assigner, type BalancingOptions, balancingDefaults } from "../../../src/runtime/cluster/assigner.ts";
import { Redirect, type TicketOutcome } from "../../../src/runtime/cluster/redirect.ts";
import { clientsMax, SentAway, sentAwayMs } from "../../../src/runtime/cluster/sent-away.ts";
import { Tickets } from "../../../src/runtime/cluster/ticket.ts";
import type { EventLog } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { systemRandom } from "../../../src/runtime/system.ts";
import { SteeredClock } from "../../gateway/stage.ts";
import { Members, member } from "./members.ts";

type Given = {
  options?: Partial<BalancingOptions>;
  owners?: Readonly<Record<string, string>>;
  held?: readonly string[];
};

function world({ options = {}, owners = {}, held = [] }: Given = {}) {
  const clock = new SteeredClock();
  const log = openMemoryLog({ clock, epoch: "e" });
  const random = systemRandom();
  const members = new Members(member("here", { load: { connections: 100 } }), member("there"));
  const balancing = { ...balancingDefaults, redirect: true, ...options };
  const ownerOf = async (session: string): Promise<string | undefined> => owners[session];
  const assigner = new Assigner({ clock, random, membership: members, ownerOf }, balancing);
  const outcomes: TicketOutcome[] = [];
  const ticketsOf = (node: string, keyValue: EventLog["keyValue"] = log.keyValue) =>
    new Tickets({ clock, random, keyValue, node });
  const parts = {
    ...{ clock, assigner, tickets: ticketsOf("here") },
    logger: { log: () => undefined },
    holds: (session: string) => held.includes(session),
    counted: (outcome: TicketOutcome) => void outcomes.push(outcome),
  };
  const redirect = new Redirect(parts);
  const arrive = (
    hello: { session?: string; ticket?: string } = {},
    remoteAddress = "192.0.2.1",
    takesTickets = true,
  ) =>
    redirect.direct({
      hello: { type: "hello", ...hello },
      identity: { subject: "", publish: [], subscribe: [] },
      ...{ remoteAddress, takesTickets },
    });
  /** A beat, and the time until it is looked at. */
  const beats: Members["beats"] = (...beat) => {
    members.beats(...beat);
    clock.advance(100);
  };
  return { clock, log, beats, assigner, ticketsOf, outcomes, parts, arrive };
}
const here = { to: "here" } as const;

describe("Redirect", () => {
  test("sends a client to the better node with a ticket that that node honours", async () => {
    const { arrive, clock, ticketsOf, outcomes, assigner } = world();
    const directed = await arrive();
    if (directed.to !== "elsewhere") throw new Error("It was served here");
    const { destination } = directed;
    expect(destination).toMatchObject({ url: "ws://there.example/", at: clock.now() });
    expect(await ticketsOf("there").check(destination.ticket)).toMatchObject({ ok: true, claims: { node: "there" } });
    expect(outcomes).toEqual(["issued"]);
    expect(assigner.decisions()).toMatchObject([
      { way: "redirect", node: "there", text: "powerOfTwo: there 0 < here 100" },
    ]);
  });

  test("serves it where it came when redirect is off, or no other node is better by the margin", async () => {
    expect(await world({ options: { redirect: false } }).arrive()).toEqual(here);
    const even = world();
    even.beats("there", { load: { connections: 90 } });
    expect(await even.arrive()).toEqual(here);
    expect(even.assigner.decisions()).toMatchObject([{ way: "stay", node: "there" }]);
    const alone = world();
    alone.beats("there", { status: "unhealthy" });
    expect(await alone.arrive()).toEqual(here);
  });

  test("a ticket for this node ends the question, however much better another one is", async () => {
    const { arrive, ticketsOf, outcomes } = world();
    const ticket = await ticketsOf("there").issue({ node: "here", url: "ws://here.example/" });
    for (let i = 0; i < 3; i++) expect(await arrive({ ticket })).toEqual(here);
    expect(outcomes).toEqual(["honoured", "honoured", "honoured"]);
  });

  test("a client that comes again instead of going there is served, and each that is sent away comes again once", async () => {
    const { arrive, clock } = world();
    const [first, second] = ["192.0.2.1", "192.0.2.2"];
    expect((await arrive({}, first)).to).toBe("elsewhere");
    expect((await arrive({}, second)).to).toBe("elsewhere");
    expect([await arrive({}, first), await arrive({}, second)]).toEqual([here, here]);
    expect((await arrive({}, first)).to).toBe("elsewhere");
    clock.advance(sentAwayMs);
    expect((await arrive({}, first)).to).toBe("elsewhere");
  });

  test("a client that does not know what to do with it is never sent away", async () => {
    const { arrive, clock, ticketsOf, assigner } = world();
    expect(await arrive({}, "192.0.2.1", false)).toEqual(here);
    const slot = { node: "here", url: "ws://here.example/", notBefore: clock.now() + 7_000 };
    expect(await arrive({ ticket: await ticketsOf("there").issue(slot) }, "192.0.2.1", false)).toEqual(here);
    expect(assigner.decisions()).toEqual([]);
  });

  test("a session stays at the node that holds it, and goes to the one that has it elsewhere", async () => {
    const { arrive, beats } = world({ held: ["S1"], owners: { S1: "here", S2: "here", S3: "there" } });
    expect(await arrive({ session: "S1" })).toEqual(here);
    expect(await arrive({ session: "S2" })).toEqual(here);
    beats("here", {});
    beats("there", { load: { connections: 500 } });
    expect(await arrive({ session: "S3" })).toMatchObject({ to: "elsewhere" });
    beats("there", { status: "unhealthy" });
    expect(await arrive({ session: "S4" })).toEqual(here);
  });

  test("a ticket that does not hold is refused by name, and the client served or sent as if it had none", async () => {
    const { arrive, clock, ticketsOf, beats, outcomes } = world();
    const expired = await ticketsOf("there").issue({ node: "here", url: "ws://here.example/" });
    clock.advance(62_000);
    expect((await arrive({ ticket: expired })).to).toBe("elsewhere");
    beats("here", {});
    expect(await arrive({ ticket: expired }, "192.0.2.9")).toEqual({
      to: "here",
      refused: "Ticket has expired, come without one",
    });
    expect(await arrive({ ticket: "forged" }, "192.0.2.8")).toMatchObject({
      to: "here",
      refused: expect.stringContaining("does not hold"),
    });
    expect(outcomes).toEqual(["expired", "issued", "expired", "invalid"]);
  });

  test("a ticket for another node is refused, its bearer served; several that come back put that node out", async () => {
    const { arrive, ticketsOf, assigner } = world();
    const comeBack = async (): Promise<unknown> => {
      const ticket = await ticketsOf("here").issue({
        node: "there",
        url: "ws://there.example/",
        session: crypto.randomUUID(),
      });
      const directed = await arrive({ ticket });
      expect(await arrive({ ticket })).toEqual(directed); // Counted once.
      return directed;
    };
    expect(await comeBack()).toEqual({ to: "here", refused: "Ticket is for node there, this is node here" });
    for (let i = 0; i < 3; i++) await comeBack();
    expect((await arrive()).to).toBe("elsewhere");
    await comeBack();
    expect((await arrive({}, "192.0.2.3")).to).toBe("here");
    expect((await assigner.choose({ subject: "" }))?.member.node).toBe("here");
  });

  test("a ticket before its slot is sent back with the time that is left", async () => {
    const { arrive, clock, ticketsOf } = world();
    const notBefore = clock.now() + 7_000;
    const ticket = await ticketsOf("there").issue({ node: "here", url: "ws://here.example/", notBefore });
    expect(await arrive({ ticket })).toEqual({
      to: "elsewhere",
      destination: { url: "ws://here.example/", ticket, at: notBefore },
    });
    clock.advance(7_000);
    expect(await arrive({ ticket })).toEqual(here);
  });

  test("when no ticket can be signed or checked the client is served", async () => {
    const { parts, log, ticketsOf, arrive } = world();
    const away = { ...log.keyValue, get: () => Promise.reject(new Error("away")) };
    const redirect = new Redirect({ ...parts, tickets: ticketsOf("here", away) });
    const arrival = {
      identity: { subject: "", publish: [], subscribe: [] },
      remoteAddress: "192.0.2.1",
      takesTickets: true,
    };
    expect(await redirect.direct({ ...arrival, hello: { type: "hello" } })).toEqual(here);
    expect(await redirect.direct({ ...arrival, hello: { type: "hello", ticket: "t" } })).toEqual(here);
    expect((await arrive()).to).toBe("elsewhere");
  });
});

describe("SentAway", () => {
  test("counts clients that look alike, and forgets them in time and the oldest of too many", () => {
    const sentAway = new SentAway();
    for (let i = 0; i < 3; i++) sentAway.sent("same", 0);
    expect([1, 2, 3, 4].map((now) => sentAway.comesAgain("same", now))).toEqual([true, true, true, false]);
    sentAway.sent("late", 0);
    expect(sentAway.comesAgain("late", sentAwayMs)).toBe(false);
    for (let i = 0; i <= clientsMax; i++) sentAway.sent(`c${i}`, 0);
    expect([sentAway.size, sentAway.comesAgain("c0", 1), sentAway.comesAgain("c1", 1)]).toEqual([
      ...[clientsMax, false, true],
    ]);
    expect(sentAway.comesAgain(`c${clientsMax}`, 1)).toBe(true);
  });
});
