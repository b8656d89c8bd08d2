/**
 * Watches what the node counts against thresholds, and journals when an alert begins and ends (actors of kind `alert`).
 *
 * An alert ends when its fact has not held for a minute, so one that comes and goes writes little.
 * @module
 */
import type { Inspector } from "../../runtime/inspection.ts";
import type { EventLog } from "../../runtime/log/event-log.ts";
import type { Clock, Logger } from "../../runtime/ports.ts";
import type { Samples } from "./samples.ts";

export type AlertRule = {
  readonly name: string;
  readonly priority: "critical" | "high" | "normal";
  readonly title: string;
  /** What the number is that is compared. */
  readonly unit: string;
  readonly threshold: number;
  readonly advice: string;
  /** To change. */
  readonly setting?: string;
};
export type Alert = AlertRule & { readonly node: string; readonly since: number; readonly value: number };
export type AlertEvent = {
  readonly type: "AlertRaised" | "AlertCleared";
  readonly at: number;
  readonly rule: string;
  readonly node: string;
  readonly value: number;
  readonly threshold: number;
};

export const alertKind = "alert";
const calmMs = 60_000;
const windowSeconds = 60;
const attemptsMin = 20;
const attachedMin = 10;
const triesMax = 4;
const encoder = new TextEncoder();

type Measured = { readonly rule: AlertRule; measure(parts: AlertsParts): number };

const rules: readonly Measured[] = [
  {
    rule: {
      name: "logUnavailable",
      priority: "critical",
      title: "The event log cannot be reached",
      unit: "ms",
      threshold: 0,
      advice: "Look at the NATS servers, or at the disk; publishes wait, nothing acknowledged is lost",
    },
    measure: ({ inspector, clock }) => {
      const { awaySince } = inspector.node().log;
      return awaySince === undefined ? 0 : Math.max(1, clock.now() - awaySince);
    },
  },
  {
    rule: {
      name: "appendLatency",
      priority: "high",
      title: "Appends to the log are slow",
      unit: "ms, p99 of the last minute",
      threshold: 200,
      advice: "Give the log a faster disk, or spread its servers less widely",
    },
    measure: ({ samples }) => samples.latency("appends", windowSeconds).p99Ms,
  },
  {
    rule: {
      name: "messageLatency",
      priority: "high",
      title: "Records reach their receivers late",
      unit: "ms from the log's acceptance to the socket, p99 of the last minute",
      threshold: 200,
      advice: "Look for a busy event loop, or receivers that are behind: /api/v1/lag",
    },
    measure: ({ samples }) => samples.latency("messages", windowSeconds).p99Ms,
  },
  {
    rule: {
      name: "connectionFailures",
      priority: "high",
      title: "Connections come to nothing",
      unit: `share of the connections of the last minute, of ${attemptsMin} or more`,
      threshold: 0.01,
      advice: "Ask `weir why` for one of them: tokens, subprotocol, or a handshake that takes too long",
    },
    measure: ({ samples }) => {
      const opened = samples.grown("connectionsOpened", windowSeconds);
      return opened < attemptsMin ? 0 : samples.grown("handshakesFailed", windowSeconds) / opened;
    },
  },
  {
    rule: {
      name: "sessionsBehind",
      priority: "normal",
      title: "Subscriptions stay behind",
      unit: `behind per attached session, all of the last minute, of ${attachedMin} sessions or more`,
      threshold: 0.2,
      advice: "Their receivers take less than is published: see `weir lag`, or widen their windows",
      setting: "websocket.limits.deliverWindowBytes",
    },
    measure: ({ samples }) => {
      const kept = samples.last(windowSeconds);
      if (kept.length <= windowSeconds || kept.some(({ attached }) => attached < attachedMin)) return 0;
      return Math.min(...kept.map(({ behind, attached }) => behind / attached));
    },
  },
  {
    rule: {
      name: "sessionsFull",
      priority: "high",
      title: "Nearly as many sessions as allowed",
      unit: "share of the most that are allowed",
      threshold: 0.9,
      advice: "Past it new clients are told to come again: add a node, or raise the bound",
      setting: "websocket.sessionsMax",
    },
    measure: ({ inspector }) => {
      const { sessions, sessionsMax } = inspector.node();
      return sessions / sessionsMax;
    },
  },
  {
    rule: {
      name: "inflowPaused",
      priority: "normal",
      title: "Publishers are held back",
      unit: "connections that are not read",
      threshold: 0,
      advice: "They publish faster than the log takes it; look at the appends' latency",
    },
    measure: ({ inspector }) => inspector.node().inflow.pausedConnections,
  },
];
export const alertRules: readonly AlertRule[] = rules.map(({ rule }) => rule);

export type AlertsParts = {
  readonly inspector: Inspector;
  readonly samples: Samples;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
};
type Active = { readonly since: number; value: number; heldAt: number };

export class Alerts {
  readonly #parts: AlertsParts;
  readonly #active = new Map<string, Active>();

  constructor(parts: AlertsParts) {
    this.#parts = parts;
    parts.samples.onSample(() => this.#look());
  }

  active(): readonly Alert[] {
    const node = this.#parts.inspector.node().id;
    return alertRules.flatMap((rule) => {
      const active = this.#active.get(rule.name);
      return active === undefined ? [] : [{ ...rule, node, since: active.since, value: active.value }];
    });
  }

  #look(): void {
    const now = this.#parts.clock.now();
    for (const { rule, measure } of rules) {
      const value = measure(this.#parts);
      const active = this.#active.get(rule.name);
      if (value > rule.threshold) {
        if (active === undefined) {
          this.#active.set(rule.name, { since: now, value, heldAt: now });
          this.#note("AlertRaised", rule, value);
        } else {
          active.value = value;
          active.heldAt = now;
        }
      } else if (active !== undefined && now - active.heldAt >= calmMs) {
        this.#active.delete(rule.name);
        this.#note("AlertCleared", rule, value);
      }
    }
  }

  #note(type: AlertEvent["type"], rule: AlertRule, value: number): void {
    const { clock, inspector, logger } = this.#parts;
    const event = {
      type,
      at: clock.now(),
      rule: rule.name,
      node: inspector.node().id,
      value,
      threshold: rule.threshold,
    };
    logger.log(
      type === "AlertRaised" ? "warn" : "info",
      type === "AlertRaised" ? "alert raised" : "alert cleared",
      event,
    );
    // A log that is away cannot take it; the line above is there, and `active` says it.
    void this.#journal(event).catch(() => undefined);
  }

  async #journal(event: AlertEvent): Promise<void> {
    const { journals } = this.#parts.log;
    const key = { kind: alertKind, id: event.rule };
    const entries = [encoder.encode(JSON.stringify(event))];
    for (let tries = 0; tries < triesMax; tries++) {
      const result = await journals.append({ key, expected: await journals.lastSeq(key), entries });
      if (result.ok || result.code !== "conflict") return;
    }
  }
}
