/**
 * Answers what a node is and does, from the parts that know it. Nothing is kept between two questions.
 * @module
 */
import type { CloseName } from "../protocol/close-code.ts";
import type { DecisionView } from "./cluster/assigner.ts";
import type { DrainView } from "./cluster/drain.ts";
import type { DrainTarget } from "./cluster/drain-plan.ts";
import type { Drains } from "./cluster/drains.ts";
import type { Member } from "./cluster/membership.ts";
import type { ConnectionView, Inspector, NodeView, SessionView, Totals, ViewPage } from "./inspection.ts";
import type { PresencePage, PresenceRange } from "./presence/directory.ts";
import type { Presence } from "./presence/presence.ts";
import type { Services } from "./services.ts";
import type { Sessions } from "./session/sessions.ts";
import type { Supervisor } from "./supervisor.ts";
import { version } from "./version.ts";

/** Anything with a socket that operators can see and end. */
export type Viewed = { readonly id: string; view(): ConnectionView };

export type InspectorSources = {
  readonly services: Services;
  readonly sessions: Sessions;
  readonly supervisor: Supervisor;
  readonly drains: Drains;
  /** By id, in the order in which they came. */
  readonly connections: ReadonlyMap<string, Viewed>;
  readonly presence: Presence;
  sessionsMax(): number;
  state(): NodeView["state"];
  readonly startedAt: number;
};

export class NodeInspector implements Inspector {
  readonly #sources: InspectorSources;

  constructor(sources: InspectorSources) {
    this.#sources = sources;
  }

  node(): NodeView {
    const { services, sessions, supervisor, sessionsMax, startedAt } = this.#sources;
    const { hub, inflow, counters, ports, node } = services;
    return {
      id: node,
      version,
      state: this.#sources.state(),
      startedAt,
      connections: counters.connections,
      sessions: sessions.size,
      sessionsAttached: counters.sessionsAttached,
      sessionsMax: sessionsMax(),
      subscriptionsBehind: counters.subscriptionsBehind,
      filters: hub.feedCount,
      position: hub.position,
      ring: hub.recent.size,
      inflow: { bytes: inflow.bytes, bytesMax: inflow.bytesMax, pausedConnections: inflow.pausedCount },
      actorCrashes: supervisor.crashes,
      residentBytes: ports.probe.residentBytes(),
      cpuSeconds: ports.probe.cpuSeconds(),
      log: ports.log.info(),
    };
  }

  members(): readonly Member[] {
    return this.#sources.services.cluster.members();
  }

  drain(): DrainView | undefined {
    return this.#sources.drains.view();
  }

  drainTargets(to?: readonly string[]): readonly DrainTarget[] {
    return this.#sources.drains.targets(to);
  }

  presence(topic: string, range: PresenceRange): PresencePage {
    return this.#sources.presence.page(topic, range);
  }

  decisions(): readonly DecisionView[] {
    return this.#sources.services.balancing.decisions();
  }

  totals(): Totals {
    const { counters, hub } = this.#sources.services;
    const { appendLatency, messageLatency } = counters;
    return {
      connectionsOpened: counters.connectionsOpened,
      handshakesFailed: counters.handshakesFailed,
      errors: sum(counters.errors.values()),
      connectionsFailed: sum([...counters.closed].map(([why, times]) => (faults.has(why) ? times : 0))),
      framesIn: counters.framesIn,
      framesOut: counters.framesOut,
      bytesIn: counters.bytesIn,
      bytesOut: counters.bytesOut,
      recordsPublished: counters.recordsPublished,
      recordsDuplicate: counters.recordsDuplicate,
      recordsDelivered: counters.recordsDelivered,
      fanOutFrames: counters.fanOutFrames,
      fanOutRecords: counters.fanOutRecords,
      fanOutBytes: counters.fanOutBytes,
      fanOutFramesSent: counters.fanOutFramesSent,
      fanOutBytesSent: counters.fanOutBytesSent,
      pagesFromRing: hub.pages.ring,
      pagesFromLog: hub.pages.log,
      appends: appendLatency.view(),
      messages: messageLatency.view(),
    };
  }

  connections(cursor: string, max: number): ViewPage<ConnectionView> {
    const after = numberOf(cursor);
    const later = function* (all: Iterable<Viewed>) {
      for (const connection of all) {
        const number = Number(connection.id.slice(connection.id.lastIndexOf("/c") + 2));
        if (number > after) yield { connection, number };
      }
    };
    return pageOf(later(this.#sources.connections.values()), max, ({ connection }) => connection.view());
  }

  connection(id: string): ConnectionView | undefined {
    return this.#sources.connections.get(id)?.view();
  }

  sessions(cursor: string, max: number): ViewPage<SessionView> {
    return pageOf(this.#sources.sessions.heldAfter(numberOf(cursor)), max, ({ session }) => session.view());
  }

  session(id: string): SessionView | undefined {
    return this.#sources.sessions.held(id)?.view();
  }
}

/** Closes that show that something did not work. */
const faults: ReadonlySet<CloseName | "lost"> = new Set([
  "slowConsumer",
  "internal",
  "logUnavailable",
  "protocolViolation",
  "frameTooLarge",
  "creditOverrun",
  "tooManyRefused",
  "tooManyErrors",
]);

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

/** Cursors are the numbers of those that were listed last. What is no number comes before all. */
function numberOf(cursor: string): number {
  const number = Number(cursor);
  return Number.isSafeInteger(number) ? number : 0;
}

function pageOf<T extends { readonly number: number }, View>(
  all: Iterable<T>,
  max: number,
  view: (one: T) => View,
): ViewPage<View> {
  const items: View[] = [];
  let last = 0;
  for (const one of all) {
    if (items.length === max) return { items, next: String(last) };
    items.push(view(one));
    last = one.number;
  }
  return { items };
}
