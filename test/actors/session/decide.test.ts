import { describe, test } from "bun:test";
import type { SessionEvent } from "../../../src/actors/session/events.ts";
import { given } from "../../support/decider-spec.ts";
import { at, attached, detached, opened, subscribed } from "../../support/session-events.ts";

const who = { subject: "ada", resumeKeyHash: "hash", node: "n2", connection: "n2/c9" };
const news = {
  filter: "news.>",
  qos: 2,
  positions: [5, 5, 5, 5],
  lastOnlyUpTo: 0,
  window: { records: 10, bytes: 1_000 },
  congestion: "skip",
  ackWaitMs: 1_000,
  maxDeliver: 3,
} as const;
const nacked: SessionEvent = {
  type: "Nacked",
  at,
  filter: "news.>",
  lane: 2,
  seq: 7,
  attempts: 1,
  dueAt: 2_000,
  reason: "busy",
};

describe("decide(Open)", () => {
  const command = {
    type: "Open",
    at,
    subject: "ada",
    resumeKeyHash: "hash",
    resumeWindowMs: 60_000,
    node: "n1",
    connection: "n1/c1",
  } as const;
  test("begins attached", () => {
    given()
      .when(command)
      .decides({ ok: true, events: [opened, attached] });
  });
  test("refuses a session that was opened before", () => {
    given(opened, attached).when(command).decides({ ok: false, rejection: "sessionEnded" });
  });
});

describe("decide(Attach)", () => {
  test("counts the new owner, also while an older one is attached", () => {
    const event = { type: "Attached", at, owner: 2, node: "n2", connection: "n2/c9" } as const;
    given(opened, attached)
      .when({ type: "Attach", at, ...who })
      .decides({ ok: true, events: [event] });
    given(opened, attached, detached)
      .when({ type: "Attach", at, ...who })
      .decides({ ok: true, events: [event] });
  });
  test("refuses a session that never was, one that ended, a wrong key, another subject", () => {
    given()
      .when({ type: "Attach", at, ...who })
      .decides({ ok: false, rejection: "sessionUnknown" });
    given(opened, { type: "Expired", at })
      .when({ type: "Attach", at, ...who })
      .decides({ ok: false, rejection: "sessionExpired" });
    given(opened, { type: "Closed", at, cause: "asked" })
      .when({ type: "Attach", at, ...who })
      .decides({ ok: false, rejection: "sessionExpired" });
    given(opened)
      .when({ type: "Attach", at, ...who, resumeKeyHash: "other" })
      .decides({ ok: false, rejection: "resumeKeyWrong" });
    given(opened)
      .when({ type: "Attach", at, ...who, subject: "bob" })
      .decides({ ok: false, rejection: "subjectChanged" });
  });
});

describe("decide(Detach)", () => {
  const command = { type: "Detach", at, cause: "lost", positions: [], publishedUpTo: 0 } as const;
  test("records nothing for an owner that was superseded", () => {
    given(opened, attached, { ...attached, owner: 2 } as SessionEvent)
      .when({ ...command, owner: 1 })
      .decides({ ok: true, events: [] });
  });
  test("records the progress before it", () => {
    given(opened, attached, subscribed("news.>"))
      .when({ ...command, owner: 1, positions: [{ filter: "news.>", positions: [0, 0, 9, 0] }], publishedUpTo: 4 })
      .decides({
        ok: true,
        events: [
          { type: "Acknowledged", at, filters: [{ filter: "news.>", positions: [0, 0, 9, 0] }] },
          { type: "PublishedUpTo", at, n: 4 },
          { type: "Detached", at, cause: "lost" },
        ],
      });
  });
});

describe("decide(Subscribe)", () => {
  test("records where it begins", () => {
    given(opened, attached)
      .when({ type: "Subscribe", at, ...news })
      .decides({ ok: true, events: [{ type: "Subscribed", at, ...news }] });
  });
  test("refuses a filter that the session holds, and one more than the limit", () => {
    given(opened, subscribed("news.>"))
      .when({ type: "Subscribe", at, ...news })
      .decides({ ok: false, rejection: "alreadySubscribed" });
    given(opened, subscribed("a"), subscribed("b"))
      .when({ type: "Subscribe", at, ...news }, { subscriptionsPerSessionMax: 2 })
      .decides({ ok: false, rejection: "tooManySubscriptions" });
  });
});

describe("decide(Acknowledge)", () => {
  test("records nothing when no position moved", () => {
    given(opened, subscribed("news.>", [1, 1, 9, 1]))
      .when({ type: "Acknowledge", at, positions: [{ filter: "news.>", positions: [1, 1, 9, 1] }], publishedUpTo: 0 })
      .decides({ ok: true, events: [] });
  });
  test("ignores a filter that the session does not hold", () => {
    given(opened)
      .when({ type: "Acknowledge", at, positions: [{ filter: "gone", positions: [9, 9, 9, 9] }], publishedUpTo: 0 })
      .decides({ ok: true, events: [] });
  });
});

describe("decide(Nak)", () => {
  const nak = {
    type: "Nak",
    at,
    filter: "news.>",
    lane: 2,
    seq: 8,
    delayMs: 500,
    reason: "busy",
    attempts: 1,
  } as const;
  test("records when the record is due again", () => {
    given(opened, subscribed("news.>"))
      .when(nak)
      .decides({
        ok: true,
        events: [{ type: "Nacked", at, filter: "news.>", lane: 2, seq: 8, attempts: 1, dueAt: 1_500, reason: "busy" }],
      });
  });
  test("refuses one more than the limit, but not the same record again", () => {
    given(opened, subscribed("news.>"), nacked)
      .when(nak, { naksPerSessionMax: 1 })
      .decides({ ok: false, rejection: "tooManyNaks" });
    given(opened, subscribed("news.>"), nacked)
      .when({ ...nak, seq: 7, attempts: 2 }, { naksPerSessionMax: 1 })
      .decides({ ok: true, events: [{ ...nacked, attempts: 2, dueAt: 1_500 } as SessionEvent] });
  });
  test("settling what is not pending records nothing", () => {
    given(opened, subscribed("news.>"))
      .when({ type: "SettleNak", at, filter: "news.>", seq: 7 })
      .decides({ ok: true, events: [] });
    given(opened, subscribed("news.>"), nacked)
      .when({ type: "SettleNak", at, filter: "news.>", seq: 7 })
      .decides({ ok: true, events: [{ type: "NakSettled", at, filter: "news.>", seq: 7 }] });
  });
});

describe("decide(Reposition)", () => {
  const positions = [2, 2, 7, 2] as const;
  test("subscribes anew at positions that may be earlier, and keeps what is to be delivered again up to there", () => {
    const behind: SessionEvent = { ...nacked, seq: 8 };
    given(opened, subscribed("news.>"), nacked, behind)
      .when({ type: "Reposition", at, filter: "news.>", positions })
      .decides({ ok: true, events: [{ ...subscribed("news.>"), at, positions } as SessionEvent, nacked] });
  });
  test("refuses a filter that is not subscribed", () => {
    given(opened)
      .when({ type: "Reposition", at, filter: "news.>", positions })
      .decides({ ok: false, rejection: "notSubscribed" });
  });
});

describe("decide(RefusePublishes)", () => {
  const refused = { n: 3, code: 302, cause: "reservedTopic", message: "no" };
  test("keeps each refused number until the client has seen it", () => {
    given(opened)
      .when({ type: "RefusePublishes", at, refused: [refused] })
      .decides({ ok: true, events: [{ type: "PublishRefused", at, ...refused }] });
    given(opened, { type: "PublishRefused", at, ...refused })
      .when({ type: "SettleRefusals", at, upTo: 3 })
      .decides({ ok: true, events: [{ type: "RefusalsSettled", at, upTo: 3 }] });
    given(opened, { type: "PublishRefused", at, ...refused })
      .when({ type: "SettleRefusals", at, upTo: 2 })
      .decides({ ok: true, events: [] });
  });
  test("refuses one more than the limit", () => {
    given(opened, { type: "PublishRefused", at, ...refused })
      .when({ type: "RefusePublishes", at, refused: [{ ...refused, n: 4 }] }, { refusedPublishesMax: 1 })
      .decides({ ok: false, rejection: "tooManyRefused" });
  });
});

describe("decide(Expire)", () => {
  test("ends a detached session only", () => {
    given(opened, attached).when({ type: "Expire", at }).decides({ ok: true, events: [] });
    given(opened, attached, detached)
      .when({ type: "Expire", at })
      .decides({ ok: true, events: [{ type: "Expired", at }] });
    given(opened, { type: "Expired", at }).when({ type: "Expire", at }).decides({ ok: true, events: [] });
  });
});
