/**
 * Takes names and contents out of a segment and leaves its structure: the same name becomes the same other name
 * everywhere, sizes and times stay, payloads become other bytes of the same length (equal ones stay equal).
 *
 * Nothing in the outcome leads back: replacements are counted, and payloads are filled from a key that is thrown away.
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import type { ConnectionEnded, NodeEvent } from "../../actors/node/events.ts";
import { decodeNodeEvent, encodeNodeEvent } from "../../actors/node/persist.ts";
import type { SessionEvent } from "../../actors/session/events.ts";
import { decodeEvent, encodeEvent } from "../../actors/session/persist.ts";
import { isCause } from "../../protocol/cause.ts";
import type { Headers } from "../../protocol/frame.ts";
import type { LogRecord } from "../../runtime/log/event-log.ts";
import { connectionsKind } from "../../runtime/node-journal.ts";
import type { SegmentJournal } from "./segment.ts";

/** Kept in names, for they are structure. */
const structural = new Set(["*", ">", "$dead", ""]);
const blockBytes = 32;

export class Anonymiser {
  readonly #key = randomBytes(blockBytes);
  readonly #names = new Map<string, string>();
  #count = 0;

  record({ seq, time, topic, id, lane, payload, headers }: LogRecord): LogRecord {
    const record = { seq, time, topic: this.topic(topic), id: this.#id(id), lane, payload: this.#payload(payload) };
    return headers === undefined ? record : { ...record, headers: this.#headers(headers) };
  }

  journal({ key, entries }: SegmentJournal): SegmentJournal {
    const { kind, id } = key;
    const isSession = kind === "session";
    return {
      key: { kind, id: kind === connectionsKind ? this.#connection(id) : this.name(id) },
      entries: entries.map(({ seq, time, data }) => ({
        ...{ seq, time },
        data: isSession
          ? encodeEvent(this.#session(decodeEvent(data)))
          : encodeNodeEvent(this.#node(decodeNodeEvent(data))),
      })),
    };
  }

  /** Of a filter too. */
  topic(topic: string): string {
    return topic
      .split(".")
      .map((token) => (structural.has(token) ? token : this.name(token)))
      .join(".");
  }

  /** The same for the same; as long as it was, where that leaves room for a number. */
  name(name: string): string {
    if (name === "") return "";
    const held = this.#names.get(name);
    if (held !== undefined) return held;
    const number = (++this.#count).toString(36);
    const made = `x${number.padStart(name.length - 1, "0")}`;
    this.#names.set(name, made);
    return made;
  }

  /** `<session>/<n>`, `<session>/tx/<tx>/<i>`, `<session>/dead/<seq>`, or somebody else's. */
  #id(id: string): string {
    const slash = id.indexOf("/");
    return slash > 0 && /^\/(\d+|tx\/\d+\/\d+|dead\/\d+)$/.test(id.slice(slash))
      ? this.name(id.slice(0, slash)) + id.slice(slash)
      : this.name(id);
  }

  /** `<node>/c<number>`, and `<node>/<hour>`. */
  #connection(id: string): string {
    const slash = id.lastIndexOf("/");
    return slash < 0 ? this.name(id) : this.name(id.slice(0, slash)) + id.slice(slash);
  }

  /** Words of ours stay, somebody's own go, also behind a word of ours: `disconnected <in an operator's words>`. */
  #cause(cause: string): string {
    if (!isCause(cause)) return this.name(cause);
    const [, name = cause, words = ""] = /^(\S+) (.*)$/s.exec(cause) ?? [];
    return words === "" || /^\d+$/.test(words) ? cause : `${name} ${this.name(words)}`;
  }

  #headers(headers: Headers): Headers {
    const own: Readonly<Record<string, (value: string) => string>> = {
      "weir-cause": (value) => this.#cause(value),
      "weir-topic": (value) => this.topic(value),
      "weir-id": (value) => this.#id(value),
      "weir-session": (value) => this.name(value),
      "weir-seq": (value) => value,
      "weir-attempts": (value) => value,
    };
    return Object.fromEntries(
      Object.entries(headers).map(([name, value]) => {
        const replace = Object.hasOwn(own, name) ? own[name] : undefined;
        return replace === undefined ? [this.name(name), this.name(value)] : [name, replace(value)];
      }),
    );
  }

  #payload(payload: Uint8Array): Uint8Array {
    const filled = new Uint8Array(payload.byteLength);
    let block = createHash("sha256").update(this.#key).update(payload).digest();
    for (let at = 0; at < filled.length; at += blockBytes) {
      filled.set(block.subarray(0, Math.min(blockBytes, filled.length - at)), at);
      block = createHash("sha256").update(block).digest();
    }
    return filled;
  }

  #session(event: SessionEvent): SessionEvent {
    switch (event.type) {
      case "Opened": {
        const { subject, resumeKeyHash, instead } = event;
        const asked = instead === undefined ? {} : { instead: { ...instead, session: this.name(instead.session) } };
        return { ...event, ...asked, subject: this.name(subject), resumeKeyHash: this.name(resumeKeyHash) };
      }
      case "Attached":
        return { ...event, node: this.name(event.node), connection: this.#connection(event.connection) };
      case "Subscribed":
      case "Trimmed":
      case "NakSettled":
        return { ...event, filter: this.topic(event.filter) };
      case "Unsubscribed":
      case "DeadLettered":
        return { ...event, filter: this.topic(event.filter), cause: this.#cause(event.cause) };
      case "Nacked":
        return { ...event, filter: this.topic(event.filter), reason: this.#cause(event.reason) };
      case "Acknowledged":
      case "TransactionCommitted":
        return { ...event, filters: event.filters.map((one) => ({ ...one, filter: this.topic(one.filter) })) };
      case "PublishRefused":
        return { ...event, message: this.name(event.message) };
      case "Detached":
      case "Closed":
        return { ...event, cause: this.#cause(event.cause) };
      default:
        return event;
    }
  }

  #node(event: NodeEvent): NodeEvent {
    switch (event.type) {
      case "Joined":
        return { ...event, incarnation: this.name(event.incarnation), url: this.name(event.url) };
      case "StatusChanged":
      case "Left": {
        const { incarnation, by, cause } = event;
        return { ...event, incarnation: this.name(incarnation), by: this.name(by), cause: this.#cause(cause) };
      }
      case "Stopped":
        return { ...event, reason: this.name(event.reason) };
      case "ConnectionsEnded":
        return { ...event, connections: event.connections.map((one) => this.#ended(one)) };
      default:
        return event;
    }
  }

  #ended(one: ConnectionEnded): ConnectionEnded {
    return {
      ...one,
      id: this.#connection(one.id),
      session: this.name(one.session),
      subject: this.name(one.subject),
      remoteAddress: this.name(one.remoteAddress),
      agent: this.name(one.agent),
      cause: this.#cause(one.cause),
    };
  }
}
