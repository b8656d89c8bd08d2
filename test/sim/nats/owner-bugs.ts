/**
 * Planted bugs of who owns what: sessions, producers and journals that go from one gateway to another, and answers
 * that were lost on the way.
 * @module
 */
import { Api, type Stored } from "../../../src/runtime/log/jetstream/api.ts";
import { JetStreamKeyValue } from "../../../src/runtime/log/jetstream/key-value.ts";
import { Producers } from "../../../src/runtime/log/jetstream/producers.ts";
import { Publisher, publisherDefaults } from "../../../src/runtime/log/jetstream/publisher.ts";
import { Steps } from "../../../src/runtime/log/jetstream/steps.ts";
import type { Bug } from "../bugs.ts";
import { often } from "../faults.ts";
import type { Published } from "./connection.ts";
import { type Delivery, fromJson, headerBlock, json, parseHeaders } from "./message.ts";
import { replaces, together, wraps } from "./replace.ts";

const shortWindowMs = 200;
/** Shorter than a gateway may stand still, longer than a publish may be tried. */
const pausedWindowMs = 40_000;
const moves = ["reset", "refuse", "halfOpen"] as const;

export const ownerBugs: Readonly<Record<string, Bug>> = {
  "lease-not-renewed": {
    caughtBy: ["session kept"],
    activeMs: 60_000,
    faults: often("clientLost", "natsSplit"),
    breaks: wraps(JetStreamKeyValue.prototype, "put", rarely("node/")),
  },
  "publishes-while-disconnected": {
    caughtBy: ["stored in order"],
    faults: often("natsCut"),
    breaks: together(
      replaces(Publisher.prototype, "disconnected", () => undefined),
      replaces(Publisher.prototype, "reconnected", () => undefined),
    ),
  },
  "never-gives-up": {
    caughtBy: ["stored once", "one output each", "stored in order"],
    faults: often("gatewayPause", "natsLossy", "natsStall", ...moves),
    activeMs: 30_000,
    windowMs: pausedWindowMs,
    breaks: () => {
      const { deadlineMs } = publisherDefaults;
      Object.assign(publisherDefaults, { deadlineMs: Number.POSITIVE_INFINITY });
      return () => void Object.assign(publisherDefaults, { deadlineMs });
    },
  },
  "taken-note-names-an-old-owner": {
    caughtBy: ["superseded in time"],
    faults: often("clientLost"),
    activeMs: 30_000,
    nats: { sends: namesOlderOwner },
  },
};

/** They show where nothing above the log makes them good: in a world of nodes without gateways. */
export const logBugs: Readonly<Record<string, Bug>> = {
  "takeover-without-claim": {
    caughtBy: ["fenced", "step whole"],
    faults: often("gatewayPause", ...moves),
    breaks: replaces(Steps.prototype, "claim", async () => true),
  },
  "owed-entries-not-written": {
    caughtBy: ["step whole"],
    faults: often("gatewayCrash", "natsCut", "natsLossy"),
    breaks: replaces(Steps.prototype, "owed", () => undefined),
  },
  "mark-not-refreshed": {
    caughtBy: ["mark is known"],
    faults: often(...moves),
    windowMs: shortWindowMs,
    breaks: replaces(Producers.prototype, "fresh", function (name) {
      return this.get(name);
    }),
  },
  "own-write-not-recognised": {
    caughtBy: ["own write is known"],
    faults: often("natsCut", "natsLossy", "natsStall"),
    nats: { hears: hidesOp },
  },
  "decided-by-a-replica": {
    caughtBy: ["mark is known", "written once", "fenced"],
    faults: often("natsReplicaFrozen", "gatewayCrash", ...moves),
    breaks: replaces(Api.prototype, "last", async function (stream, subject) {
      let newest: Stored | undefined;
      for (let seq = 1; ; seq = (newest?.seq ?? 0) + 1) {
        const { messages, pending } = await this.batch(stream, { seq, next_by_subj: subject, batch: 1_000 });
        newest = messages.at(-1) ?? newest;
        if (pending === 0) return newest;
      }
    }),
  },
};

/** Of what is put under this prefix only the first counts. */
function rarely(prefix: string) {
  const done = new WeakMap<object, Set<string>>();
  return (put: JetStreamKeyValue["put"], self: JetStreamKeyValue): JetStreamKeyValue["put"] => {
    const keys = done.get(self) ?? new Set<string>();
    done.set(self, keys);
    return async (key, ...rest) => {
      if (!key.startsWith(prefix)) return put(key, ...rest);
      if (keys.has(key)) return { ok: true, revision: 1 };
      keys.add(key);
      return put(key, ...rest);
    };
  };
}

type LeaderAnswer = { readonly message?: { readonly subject: string; readonly hdrs?: string } };

/** Of a journal's newest message, who wrote it. */
function hidesOp(delivery: Delivery): Delivery {
  if (delivery.data[0] !== 0x7b || delivery.reply !== undefined) return delivery;
  const { message, ...rest } = fromJson<LeaderAnswer>(delivery.data);
  if (message?.hdrs === undefined || !message.subject.startsWith("weir.j.")) return delivery;
  const fields = parseHeaders(Buffer.from(message.hdrs, "base64"));
  fields.set("Weir-Op", "somebody");
  const hdrs = Buffer.from(headerBlock(fields)).toString("base64");
  return { ...delivery, data: json({ ...rest, message: { ...message, hdrs } }) };
}

function namesOlderOwner(message: Published): Published {
  const isJson = message.data[0] === 0x7b; // Not every value is: leases are Protobuf.
  if (!message.subject.startsWith("$KV.") || !isJson) return message;
  const note = fromJson<{ readonly owner?: number }>(message.data);
  return note.owner === undefined ? message : { ...message, data: json({ ...note, owner: note.owner - 1 }) };
}
