/**
 * Planted bugs for the traps of JetStream: each is what a wrong adapter would say to NATS, hear from it, or leave out.
 * The checkers must catch every one in some world with several gateways.
 * @module
 */
import { Api } from "../../../src/runtime/log/jetstream/api.ts";
import { JetStreamLog } from "../../../src/runtime/log/jetstream/log.ts";
import { Producers } from "../../../src/runtime/log/jetstream/producers.ts";
import { Scan } from "../../../src/runtime/log/jetstream/scan.ts";
import type { Bug } from "../bugs.ts";
import { often } from "../faults.ts";
import type { NatsMeddling, Published, SimConnection } from "./connection.ts";
import { type Delivery, fromJson, json } from "./message.ts";
import { ownerBugs } from "./owner-bugs.ts";
import { replaces, wraps } from "./replace.ts";

/** Shorter than a client may be away: message ids alone do not tell a resend any more. */
const shortWindowMs = 200;
const expectedLast = "Nats-Expected-Last-Subject-Sequence";

/** One publish that was not stored leads to others being acknowledged, delivered or moved wrongly. */
const lossOfRecords = ["acknowledged is stored", "committed is stored", "processed all", "delivered is stored"];

export const natsBugs: Readonly<Record<string, Bug>> = {
  "in-process-is-success": {
    caughtBy: [...lossOfRecords, "stored in order", "no uncaught error"],
    faults: often("natsStall", "natsLeaderLoss", "natsLossy"),
    nats: { hears: answers(10_158) },
  },
  "no-leader-is-success": {
    caughtBy: [...lossOfRecords, "one owner", "transaction whole"],
    faults: often("natsLeaderLoss"),
    nats: { hears: acknowledges((delivery) => delivery.headers?.code === 503) },
  },
  "first-part-acknowledges-the-batch": {
    caughtBy: [...lossOfRecords, "transaction whole", "frames decode"],
    faults: often("natsLossy", "natsCut"),
    nats: { hears: acknowledges(({ headers, data }) => headers === undefined && data.byteLength === 0) },
  },
  "overload-is-success": {
    caughtBy: [...lossOfRecords, "one owner", "transaction whole"],
    faults: often("natsOverload"),
    nats: { hears: answers(10_167) },
  },
  "new-id-after-silence": {
    caughtBy: ["stored once", "one output each", "stored in order"],
    faults: often("natsLossy", "natsStall", "natsCut"),
    nats: resentAs((message, tries) => withField(message, "Nats-Msg-Id", (id) => `${id}~~${tries}`)),
  },
  "pipelined-on-a-cluster": {
    caughtBy: ["stored in order"],
    faults: often("natsLeaderLoss", "natsLossy"),
    ordering: "pipeline",
  },
  "step-without-fence": {
    caughtBy: ["stored once", "one output each", "transaction whole"],
    faults: often("natsLossy", "natsStall", "natsCut"),
    nats: { sends: (message) => (message.subject.startsWith("weir.x.") ? without(message, expectedLast) : message) },
  },
  "journal-without-fence": {
    caughtBy: ["one owner", "stored once", "one output each", "processed all", "processed once", "converges"],
    faults: often("gatewayPause", "reset", "refuse", "halfOpen"),
    activeMs: 30_000,
    nats: { sends: (message) => (message.subject.startsWith("weir.j.") ? without(message, expectedLast) : message) },
  },
  "batch-is-not-atomic": {
    caughtBy: ["transaction whole", "acknowledged is stored", "stored in order", "stored once", "frames decode"],
    faults: often("natsLossy", "natsCut"),
    nats: { sends: (message) => without(message, "Nats-Batch-Id") },
  },
  "log-not-scanned-for-the-mark": {
    caughtBy: ["stored once", "stored in order"],
    faults: often("gatewayCrash", "reset", "refuse"),
    windowMs: shortWindowMs,
    breaks: replaces(Scan.prototype, "find", async ({ mark, after }) => ({ mark, upTo: after, ahead: new Map() })),
  },
  "no-checkpoint-before-appends": {
    caughtBy: ["stored once", "stored in order", "acknowledged is stored", "converges"],
    faults: often("gatewayCrash", "reset", "refuse"),
    windowMs: shortWindowMs,
    breaks: replaces(Producers.prototype, "begin", async (producer) => {
      (producer as unknown as { busy: number }).busy++;
      return true;
    }),
  },
  "consumer-numbers-not-checked": {
    caughtBy: ["processed all"],
    faults: often("natsLossy"),
    firstSeed: 103,
    nats: { hears: renumbersDeliveries() },
  },
  "silent-consumer-kept": {
    caughtBy: ["processed all", "converges"],
    faults: often("natsConsumersLost"),
    nats: { deadConsumersBeat: true },
  },
  "replica-believed-to-be-the-leader": {
    caughtBy: ["processed all", "trimmed is true"],
    faults: often("natsReplicaFrozen", "gatewayCrash", "reset"),
    activeMs: 30_000,
    breaks: replaces(Api.prototype, "next", async () => undefined),
  },
  "retention-passes-in-silence": {
    caughtBy: ["processed all"],
    faults: often("trim", "natsLossy", "natsReplicaFrozen"),
    activeMs: 30_000,
    breaks: wraps(JetStreamLog.prototype, "follow", (follow) => (after, onRecords) => follow(after, onRecords)),
  },
  "follows-one-too-late": {
    caughtBy: ["processed all"],
    faults: often("natsConsumersLost"),
    nats: { sends: startsLater() },
  },
  ...ownerBugs,
};

// --- what is said and heard ---

/** An error of this code is taken for an acknowledgement. */
function answers(code: number): NonNullable<NatsMeddling["hears"]> {
  const newest = new WeakMap<SimConnection, number>();
  return (delivery, connection) => {
    if (delivery.data[0] !== 0x7b || delivery.reply !== undefined) return delivery;
    const { error, stream, seq = 0 } = fromJson<Answer>(delivery.data);
    if (stream === "WEIR" && error === undefined) newest.set(connection, seq);
    if (error?.err_code !== code) return delivery;
    return { ...delivery, data: json({ stream, seq: newest.get(connection) ?? 1, duplicate: true }) };
  };
}

type Answer = { readonly error?: { readonly err_code?: number }; readonly stream?: string; readonly seq?: number };

/** What is no answer, or no good one, is taken for an acknowledgement. */
function acknowledges(which: (delivery: Delivery) => boolean): NonNullable<NatsMeddling["hears"]> {
  const newest = new WeakMap<SimConnection, number>();
  return (delivery, connection) => {
    if (delivery.reply !== undefined) return delivery;
    if (delivery.data[0] === 0x7b) {
      const { error, stream, seq = 0 } = fromJson<Answer>(delivery.data);
      if (stream === "WEIR" && error === undefined) newest.set(connection, seq);
    }
    if (!which(delivery)) return delivery;
    const { to, subject } = delivery;
    return { to, subject, data: json({ stream: "WEIR", seq: newest.get(connection) ?? 1 }) };
  };
}

function withField(message: Published, name: string, change: (value: string) => string): Published {
  const value = message.fields.get(name);
  return value === undefined ? message : { ...message, fields: new Map(message.fields).set(name, change(value)) };
}

function without(message: Published, name: string): Published {
  if (!message.fields.has(name)) return message;
  const fields = new Map(message.fields);
  fields.delete(name);
  return { ...message, fields };
}

/** Changes what is sent again for the same answer. */
function resentAs(change: (message: Published, tries: number) => Published): NatsMeddling {
  const tries = new WeakMap<SimConnection, Map<string, number>>();
  return {
    sends: (message, connection) => {
      if (message.reply === undefined || !message.fields.has("Nats-Msg-Id")) return message;
      const sent = tries.get(connection) ?? new Map<string, number>();
      tries.set(connection, sent);
      const before = sent.get(message.reply) ?? 0;
      sent.set(message.reply, before + 1);
      return before === 0 ? message : change(message, before);
    },
  };
}

/** A consumer that beats does not say what it has delivered. */
function forgetsNumbers(delivery: Delivery): Delivery {
  return delivery.headers?.code === 100
    ? { ...delivery, headers: delivery.headers.without("Nats-Last-Consumer") }
    : delivery;
}

/** Whatever a consumer skipped, its numbers look as if nothing was missing. */
function renumbersDeliveries(): NonNullable<NatsMeddling["hears"]> {
  const counts = new WeakMap<SimConnection, Map<string, number>>();
  return (delivery, connection) => {
    if (delivery.headers?.code === 100) return forgetsNumbers(delivery);
    const parts = delivery.reply?.split(".") ?? [];
    if (parts[1] !== "ACK") return delivery;
    const counted = counts.get(connection) ?? new Map<string, number>();
    counts.set(connection, counted);
    const number = (counted.get(delivery.to) ?? 0) + 1;
    counted.set(delivery.to, number);
    parts[6] = String(number);
    return { ...delivery, reply: parts.join(".") };
  };
}

/** A consumer that is made anew leaves out a message. */
function startsLater(): NonNullable<NatsMeddling["sends"]> {
  return (message) => {
    if (!message.subject.startsWith("$JS.API.CONSUMER.CREATE.WEIR")) return message;
    const body = fromJson<{ config: { opt_start_seq?: number } }>(message.data);
    const from = body.config.opt_start_seq ?? 1;
    return from === 1
      ? message
      : { ...message, data: json({ ...body, config: { ...body.config, opt_start_seq: from + 1 } }) };
  };
}
