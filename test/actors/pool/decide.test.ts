import { expect, test } from "bun:test";
import fc from "fast-check";
import { decidePool, type PoolCommand, type PoolDecision } from "../../../src/actors/pool/decide.ts";
import type { PoolEvent, PoolMember } from "../../../src/actors/pool/events.ts";
import { decodePoolEvent, encodePoolEvent } from "../../../src/actors/pool/persist.ts";
import {
  type PoolSettings,
  poolDefaults,
  poolNameProblem,
  poolSettingsProblem,
  poolStrategies,
  scalingDefaults,
} from "../../../src/actors/pool/settings.ts";
import { evolvePool, initialPoolState } from "../../../src/actors/pool/state.ts";
import { decodePoolSnapshot, encodePoolSnapshot } from "../../../src/runtime/pool/pool-store.ts";

const at = 1_000;
const settings: PoolSettings = { ...poolDefaults, filters: ["jobs.>"] };
const created: PoolEvent = { type: "Created", at, settings, epoch: "e", after: 10, by: "op" };
const member: PoolMember = {
  ...{ id: "m1", node: "a", session: "s", subject: "", weight: 1, capacity: 5, tags: [], draining: false, since: at },
};
const joined: PoolEvent = { type: "MemberJoined", at, member };
const progress = { upTo: 20, reserved: 30, open: [{ item: 15, attempts: 1, member: "m1" }], done: 3 };

function given(...events: readonly PoolEvent[]) {
  const state = events.reduce(evolvePool, initialPoolState);
  return {
    when: (command: PoolCommand) => ({
      decides: (decision: PoolDecision) => expect(decidePool(state, command, { poolMembersMax: 2 })).toEqual(decision),
    }),
  };
}

test("decide(Create) makes a pool once, and again after it was deleted, with terms that go on", () => {
  const create = { ...created, type: "Create" } as const;
  given()
    .when(create)
    .decides({ ok: true, events: [created] });
  given(created).when(create).decides({ ok: false, rejection: "poolExists" });
  const again = [
    created,
    { type: "Claimed", at, node: "a", term: 4 },
    { type: "Deleted", at, by: "op" },
    created,
  ] as const;
  expect(again.reduce(evolvePool, initialPoolState)).toMatchObject({ status: "active", term: 4, upTo: 10 });
});

test("decide() of anything but Create is refused where there is no pool", () => {
  const claim = { type: "Claim", at, node: "a" } as const;
  given().when(claim).decides({ ok: false, rejection: "poolUnknown" });
  given(created, { type: "Deleted", at, by: "op" }).when(claim).decides({ ok: false, rejection: "poolUnknown" });
});

test("decide(Claim) counts coordinators; decide(Release) of an older one is refused", () => {
  given(created)
    .when({ type: "Claim", at, node: "a" })
    .decides({ ok: true, events: [{ type: "Claimed", at, node: "a", term: 1 }] });
  const claimed: PoolEvent = { type: "Claimed", at, node: "b", term: 2 };
  given(created, claimed)
    .when({ type: "Release", at, term: 1, cause: "x" })
    .decides({ ok: false, rejection: "notCoordinator" });
});

test("decide(Join) takes a member once, and as many as there may be", () => {
  given(created, joined).when({ type: "Join", at, member }).decides({ ok: false, rejection: "alreadyMember" });
  const second: PoolEvent = { type: "MemberJoined", at, member: { ...member, id: "m2" } };
  given(created, joined, second)
    .when({ type: "Join", at, member: { ...member, id: "m3" } })
    .decides({ ok: false, rejection: "tooManyMembers" });
});

test("decide(SetWeight) and decide(DrainMember) record nothing that is so already, and refuse who is no member", () => {
  given(created, joined)
    .when({ type: "SetWeight", at, member: "m1", weight: 1, by: "op" })
    .decides({ ok: true, events: [] });
  given(created, joined)
    .when({ type: "DrainMember", at, member: "m1", by: "op" })
    .decides({ ok: true, events: [{ type: "MemberDrained", at, member: "m1", by: "op" }] });
  given(created)
    .when({ type: "DrainMember", at, member: "m1", by: "op" })
    .decides({ ok: false, rejection: "notMember" });
});

test("decide(Fail) and decide(DeadLetter) tell how far the pool is in the same step", () => {
  const failed = { item: 15, member: "m1", attempt: 1, reason: "no", dueAt: 2_000 };
  given(created, joined)
    .when({ type: "Fail", at, progress, ...failed })
    .decides({
      ok: true,
      events: [
        { type: "Progressed", at, ...progress },
        { type: "Failed", at, ...failed },
      ],
    });
  const state = [created, joined, { type: "Progressed", at, ...progress }, { type: "Failed", at, ...failed }] as const;
  const folded = state.reduce<ReturnType<typeof evolvePool>>(evolvePool, initialPoolState);
  expect(folded.open.get(15)).toEqual({ attempts: 1, member: undefined, dueAt: 2_000, reason: "no" });
  const letter: PoolEvent = { type: "DeadLettered", at, item: 15, attempts: 1, cause: "no" };
  expect(evolvePool(folded, letter)).toMatchObject({ deadLettered: 1, open: new Map(), upTo: 20 });
});

test("evolve(Trimmed) and evolve(Repositioned) forget records that the log does not hold any more", () => {
  const before = [created, { type: "Progressed", at, ...progress }] as const;
  const state = before.reduce<ReturnType<typeof evolvePool>>(evolvePool, initialPoolState);
  expect(evolvePool(state, { type: "Trimmed", at, first: 16 })).toMatchObject({ upTo: 20, open: new Map() });
  expect(evolvePool(state, { type: "Trimmed", at, first: 15 }).open.size).toBe(1);
  const lost = evolvePool(state, { type: "Repositioned", at, epoch: "f", heldTo: 12, after: 12 });
  expect(lost).toMatchObject({ epoch: "f", upTo: 12, reserved: 12, open: new Map() });
});

const name = fc.string({ minLength: 1, maxLength: 8 });
const whole = fc.integer({ min: 0, max: 2 ** 40 });
const anySettings: fc.Arbitrary<PoolSettings> = fc.record(
  {
    filters: fc.array(name, { maxLength: 3 }),
    strategy: fc.constantFrom(...poolStrategies),
    stickyHeader: name,
    ackWaitMs: whole,
    maxDeliver: fc.nat(1_000),
    retryMs: whole,
    start: fc.constantFrom("new" as const, "all" as const),
    scaling: fc.record({
      ...{ min: fc.nat(9), max: fc.nat(9), targetRatio: fc.double({ min: 0.1, max: 1, noNaN: true }) },
      ...{ latencyMs: whole, capacity: fc.nat(9), upCoolDownMs: whole, downCoolDownMs: whole, url: name },
      by: fc.constantFrom("metric" as const, "process" as const, "outbound" as const),
      command: fc.array(name, { maxLength: 3 }),
    }),
  },
  { requiredKeys: ["filters", "strategy", "stickyHeader", "ackWaitMs", "maxDeliver", "retryMs", "start"] },
);
const anyMember: fc.Arbitrary<PoolMember> = fc.record({
  ...{
    id: name,
    node: name,
    session: name,
    subject: name,
    weight: fc.integer({ min: 1, max: 99 }),
    capacity: fc.nat(99),
  },
  ...{ tags: fc.array(name, { maxLength: 3 }), draining: fc.boolean(), since: whole },
});
const anyOpen = fc
  .uniqueArray(fc.tuple(whole, fc.nat(5), fc.option(fc.constantFrom("m1", "m2"), { nil: undefined })), {
    selector: ([item]) => item,
    maxLength: 8,
  })
  .map((open) =>
    open
      .sort(([a], [b]) => a - b)
      .map(([item, attempts, by]) => ({ item, attempts, ...(by === undefined ? {} : { member: by }) })),
  );
const anyEvent: fc.Arbitrary<PoolEvent> = fc.oneof(
  fc.record({
    type: fc.constant("Created" as const),
    at: whole,
    settings: anySettings,
    epoch: name,
    after: whole,
    by: name,
  }),
  fc.record({ type: fc.constant("Configured" as const), at: whole, settings: anySettings, by: name }),
  fc.record({ type: fc.constant("Claimed" as const), at: whole, node: name, term: whole }),
  fc.record({ type: fc.constant("Released" as const), at: whole, term: whole, cause: name }),
  fc.record({ type: fc.constant("MemberJoined" as const), at: whole, member: anyMember }),
  fc.record({ type: fc.constant("MemberLeft" as const), at: whole, member: name, cause: name, returned: whole }),
  fc.record({ type: fc.constant("WeightChanged" as const), at: whole, member: name, weight: fc.nat(99), by: name }),
  fc.record({ type: fc.constant("MemberDrained" as const), at: whole, member: name, by: name }),
  fc.record({
    type: fc.constant("Progressed" as const),
    at: whole,
    upTo: whole,
    reserved: whole,
    open: anyOpen,
    done: whole,
  }),
  fc.record({
    ...{ type: fc.constant("Failed" as const), at: whole, item: whole, member: name, attempt: fc.nat(9), reason: name },
    dueAt: whole,
  }),
  fc.record({ type: fc.constant("DeadLettered" as const), at: whole, item: whole, attempts: fc.nat(9), cause: name }),
  fc.record({ type: fc.constant("Trimmed" as const), at: whole, first: whole }),
  fc.record({ type: fc.constant("Repositioned" as const), at: whole, epoch: name, heldTo: whole, after: whole }),
  fc.record({ type: fc.constant("Scaled" as const), at: whole, from: fc.nat(9), to: fc.nat(9), why: name }),
  fc.record({ type: fc.constant("DrainBegan" as const), at: whole, by: name }),
  fc.record({ type: fc.constant("DrainEnded" as const), at: whole, by: name }),
  fc.record({ type: fc.constant("Deleted" as const), at: whole, by: name }),
);

test("decodePoolEvent() gives back what encodePoolEvent() stored, whatever the event", () => {
  fc.assert(fc.property(anyEvent, (event) => expect(decodePoolEvent(encodePoolEvent(event))).toEqual(event)));
});

test("a snapshot plus the newer events equals the fold of all of them, wherever it was taken", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), fc.nat(), (history, cut) => {
      const place = cut % (history.length + 1);
      const restored = decodePoolSnapshot(
        encodePoolSnapshot(history.slice(0, place).reduce(evolvePool, initialPoolState)),
      );
      if (restored === undefined) throw new Error("Not of this version");
      expect(history.slice(place).reduce(evolvePool, restored)).toEqual(history.reduce(evolvePool, initialPoolState));
    }),
  );
});

test("poolSettingsProblem() and poolNameProblem() say what is wrong, with the value", () => {
  expect(poolSettingsProblem(settings)).toBeUndefined();
  expect(poolSettingsProblem({ ...settings, filters: [] })).toBe(
    "A pool needs at least one filter; its records are the work",
  );
  expect(poolSettingsProblem({ ...settings, ackWaitMs: 5 })).toBe(
    "ackWaitMs 5 is not a whole number from 100 to 3600000",
  );
  const scaling = { ...scalingDefaults, min: 5, max: 2 };
  expect(poolSettingsProblem({ ...settings, scaling })).toBe("scaling.min 5 is above scaling.max 2");
  const outbound = { ...scalingDefaults, by: "outbound" as const, url: "http://x/" };
  expect(poolSettingsProblem({ ...settings, scaling: outbound })).toBe(
    'scaling.url "http://x/" is no ws:// or wss:// URL',
  );
  expect(poolNameProblem("thumbnails-2_b")).toBeUndefined();
  expect(poolNameProblem("a.b")).toBe('Pool name "a.b" may hold letters, digits, - and _ alone, and at least one');
});
