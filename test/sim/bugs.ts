/**
 * Planted bugs: each breaks one promise on purpose, from outside the production code, by wrapping its log, by
 * changing frames where a wrong implementation would have written other ones, or by replacing a method for the time
 * of one world. A checker must catch every one; a checker that lets its bug through proves nothing.
 * @module
 */
import type { ClientStore } from "../../src/client/store.ts";
import type { Frame, Window } from "../../src/protocol/frame.ts";
import { Connection } from "../../src/runtime/connection.ts";
import type { AppendRequest, AppendResult, EventLog, LogRecord } from "../../src/runtime/log/event-log.ts";
import type { Ordering } from "../../src/runtime/log/jetstream/numbered.ts";
import { Session } from "../../src/runtime/session/session.ts";
import type { SimProcess } from "./clock.ts";
import { type FaultPlan, often } from "./faults.ts";
import type { NatsMeddling } from "./nats/connection.ts";
import type { Place, Wire } from "./network.ts";
import type { World } from "./world.ts";

export type Meddling = { readonly wire: Wire; readonly place: Place; readonly world: World };

export type Bug = {
  /** Checkers that may be the first to see it. */
  readonly caughtBy: readonly string[];
  /** Faults under which it shows. Absent: the seed's own. */
  readonly faults?: FaultPlan;
  readonly log?: (log: EventLog, world: World, process: SimProcess) => EventLog;
  /** The frames that take the frame's place; `undefined`: it passes as it is. */
  readonly meddle?: (frame: Frame, at: Meddling) => readonly Frame[] | undefined;
  readonly store?: (store: ClientStore) => ClientStore;
  /** Breaks production classes for one world; answers what mends them. */
  readonly breaks?: () => () => void;
  /** It needs luck to show: the seed from which it does soon. Absent: 1. */
  readonly firstSeed?: number;
  /** It needs time to show. */
  readonly activeMs?: number;
  /** Changes what gateways say to NATS, or hear. */
  readonly nats?: NatsMeddling;
  readonly ordering?: Ordering;
  /** For how long NATS knows a message id. */
  readonly windowMs?: number;
  /** Services are told what happens to sessions. Absent: the seed's own. */
  readonly lifecycle?: boolean;
  /** It shows only where a session writes a long journal. */
  readonly longJournals?: boolean;
};

export const bugs: Readonly<Record<string, Bug>> = {
  "no-deduplication": {
    caughtBy: ["stored once"],
    faults: often("reset", "gatewayCrash"),
    log: (log) => ({
      ...log,
      append: ({ numbered: _numbered, ...request }) => log.append(request),
    }),
  },
  "acknowledge-before-flush": {
    caughtBy: ["acknowledged is stored", "delivered is stored", "processed all", "committed is stored", "stored once"],
    faults: often("gatewayCrash", "logStall"),
    log: acknowledgesEarly,
  },
  "predecessor-ignored": {
    caughtBy: ["processed all"],
    meddle: (frame, { place, world }) => {
      if (frame.type !== "deliver" || frame.attempt !== undefined) return undefined;
      if (place === "gatewayOut" && frame.records.length > 0 && world.chance.hit(0.05)) return [];
      return place === "clientIn" ? [{ ...frame, prev: 0 }] : undefined;
    },
  },
  "live-one-record-early": {
    caughtBy: ["processed all"],
    faults: often("gatewayCrash", "clientCrash"),
    log: (log) => ({
      ...log,
      read: async (request) => {
        const page = await log.read(request);
        const early = page.done && page.records.length > 1 && request.backward !== true;
        return early ? { ...page, records: page.records.slice(0, -1) } : page;
      },
    }),
  },
  "follow-skips-a-record": {
    caughtBy: ["processed all"],
    log: (log) => withFollow(log, (records) => records.filter(({ seq }) => seq % 17 !== 0)),
  },
  "once-ignored": {
    caughtBy: ["stored once", "one output each"],
    faults: often("reset", "gatewayCrash"),
    log: (log) => ({
      ...log,
      append: ({ once: _once, ...request }) => log.append(request),
    }),
  },
  "transaction-in-two-appends": {
    caughtBy: ["transaction whole"],
    faults: often("gatewayCrash", "logUnavailable"),
    log: splitsTransactions,
  },
  "acknowledge-before-processing": { caughtBy: ["processed before acknowledged"], meddle: acknowledgesEverything() },
  "high-water-mark-one-too-high": {
    caughtBy: ["acknowledged is stored", "peers agree"],
    faults: often("reset", "gatewayCrash"),
    meddle: (frame, { place }) =>
      place === "gatewayOut" && frame.type === "welcome" && frame.outcome === "resumed"
        ? [{ ...frame, publishedUpTo: frame.publishedUpTo + 1 }]
        : undefined,
  },
  "nak-forgotten": {
    caughtBy: ["processed all"],
    meddle: (frame, { place }) => (place === "gatewayIn" && frame.type === "nak" ? [] : undefined),
  },
  "delivery-window-ignored": { caughtBy: ["delivery window"], meddle: widensWindows() },
  "publish-credit-ignored": {
    caughtBy: ["publish credit", "peers agree"],
    faults: often("logStall"),
    meddle: (frame, { place }) =>
      place === "clientIn" && frame.type === "welcome"
        ? [{ ...frame, credit: { records: 1e6, bytes: 1e9 } }]
        : undefined,
  },
  "payloads-mixed-up": {
    caughtBy: ["delivered is stored"],
    meddle: (frame, { place }) => {
      const [first, second, ...rest] = place === "gatewayOut" && frame.type === "deliver" ? frame.records : [];
      if (frame.type !== "deliver" || first === undefined || second === undefined) return undefined;
      return [
        { ...frame, records: [{ ...first, payload: second.payload }, { ...second, payload: first.payload }, ...rest] },
      ];
    },
  },
  "owner-not-counted": {
    caughtBy: ["one owner"],
    faults: often("reset"),
    meddle: (frame, { place }) =>
      place === "gatewayOut" && frame.type === "welcome" ? [{ ...frame, owner: 1 }] : undefined,
  },
  "no-fencing": {
    caughtBy: ["one owner"],
    faults: often("clientLost", "halfOpen"),
    activeMs: 30_000,
    breaks: keepOldOwners,
  },
  "stale-snapshot": {
    caughtBy: ["one owner"],
    faults: new Map([
      ["gatewayCrash", 6_000],
      ["reset", 3_000],
    ]),
    activeMs: 30_000,
    longJournals: true,
    log: withStaleSnapshots,
  },
  "lifecycle-mark-one-too-high": {
    caughtBy: ["lifecycle told"],
    faults: often("gatewayCrash"),
    lifecycle: true,
    log: (log) => ({
      ...log,
      producerMark: async (producer) => {
        const mark = await log.producerMark(producer);
        return mark !== undefined && producer.startsWith("lifecycle/") ? mark + 1 : mark;
      },
    }),
  },
  "store-forgets": {
    caughtBy: ["processed once", "stored once", "processed all"],
    faults: often("clientCrash"),
    store: (store) => ({ ...store, load: async () => new Map() }),
  },
};

/** Who takes a session over does not end the connection that had it. */
function keepOldOwners(): () => void {
  const { detach } = Session.prototype;
  const { end } = Connection.prototype;
  Session.prototype.detach = function (cause) {
    return cause === "superseded" ? Promise.resolve() : detach.call(this, cause);
  };
  Connection.prototype.end = function (reason, cause) {
    if (reason !== "superseded") end.call(this, reason, cause);
  };
  return () => {
    Session.prototype.detach = detach;
    Connection.prototype.end = end;
  };
}

/** A snapshot claims to cover the whole journal: what was recorded after it is never folded. */
function withStaleSnapshots(log: EventLog): EventLog {
  const { journals } = log;
  const loadSnapshot: EventLog["journals"]["loadSnapshot"] = async (key) => {
    const saved = await journals.loadSnapshot(key);
    return saved === undefined ? undefined : { ...saved, seq: await journals.lastSeq(key) };
  };
  return { ...log, journals: { ...journals, loadSnapshot } };
}

/** Answers an append before it is durable. */
function acknowledgesEarly(log: EventLog): EventLog {
  let waiting = 0;
  const append = async (request: AppendRequest): Promise<AppendResult> => {
    const first = log.info().lastSeq + waiting + 1;
    waiting += request.records.length;
    const done = log.append(request).finally(() => {
      waiting -= request.records.length;
    });
    if (request.journal !== undefined || request.records.length === 0) return done;
    return { ok: true, seqs: request.records.map((_, i) => first + i), duplicate: false };
  };
  return { ...log, append };
}

function withFollow(log: EventLog, change: (records: readonly LogRecord[]) => readonly LogRecord[]): EventLog {
  return {
    ...log,
    follow: (after, onRecords, onTrimmed) => {
      const handOver = (records: readonly LogRecord[]): void => {
        const changed = change(records);
        if (changed.length > 0) onRecords(changed);
      };
      return log.follow(after, handOver, onTrimmed);
    },
  };
}

function splitsTransactions(log: EventLog): EventLog {
  const append = async ({ records, once, ...request }: AppendRequest): Promise<AppendResult> => {
    if (once === undefined || records.length < 2)
      return log.append({ records, ...request, ...(once === undefined ? {} : { once }) });
    const first = await log.append({ records: records.slice(0, 1), once: { ...once, key: `${once.key}/1` } });
    if (!first.ok) return first;
    const second = await log.append({ ...request, records: records.slice(1), once });
    return second.ok ? { ...second, seqs: [...first.seqs, ...second.seqs] } : second;
  };
  return { ...log, append };
}

/** Each ACK covers everything that has arrived, processed or not. */
function acknowledgesEverything(): NonNullable<Bug["meddle"]> {
  const newest = new WeakMap<Wire, Map<number, number>>();
  return (frame, { wire, place }) => {
    if (place === "clientIn" && frame.type === "deliver" && frame.attempt === undefined) {
      const last = frame.upTo ?? frame.records.at(-1)?.seq ?? 0;
      newest.set(wire, (newest.get(wire) ?? new Map()).set(frame.chain, last));
    }
    if (place !== "clientOut" || frame.type !== "ack" || frame.upTo === undefined || frame.tx !== undefined)
      return undefined;
    return [
      { ...frame, upTo: frame.upTo.map(({ chain, seq }) => ({ chain, seq: newest.get(wire)?.get(chain) ?? seq })) },
    ];
  };
}

/** The gateway believes that every window is huge; the client hears that it got what it asked for. */
function widensWindows(): NonNullable<Bug["meddle"]> {
  const asked = new Map<string, Window>();
  return (frame, { wire, place }) => {
    if (frame.type !== "subscribe" && frame.type !== "subscribed") return undefined;
    const name = `${wire.client.name} ${frame.filter}`;
    if (place === "gatewayIn" && frame.type === "subscribe" && frame.window !== undefined) {
      asked.set(name, frame.window);
      return [{ ...frame, window: { records: 60_000, bytes: 16_000_000 } }];
    }
    const window = asked.get(name);
    return place === "gatewayOut" && frame.type === "subscribed" && window !== undefined
      ? [{ ...frame, window }]
      : undefined;
  };
}
