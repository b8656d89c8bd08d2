/**
 * What an actor is to somebody who looks back: a kind, an id, and events that fold into a state. Each kind says how its
 * events are found and shown; which kinds there are: actor-kinds.ts.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { JournalKey } from "../../runtime/log/event-log.ts";
import type { ReadableLog } from "./readable-log.ts";

/** As journals are named: `session/<id>`, `node/<name>`, `connection/<id>`. */
export type ActorKey = JournalKey;

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** An event as it is shown. */
export type TimelineEntry = {
  /** Number in the actor's journal, from 1. */
  readonly seq: number;
  readonly time: EpochMs;
  readonly type: string;
  /** One sentence for people. */
  readonly summary: string;
  readonly event: JsonObject;
};

/** What an actor is after its event `seq`. */
export type ActorState = {
  /** 0: before its first event. */
  readonly seq: number;
  /** Of the event `seq`. */
  readonly time: EpochMs;
  /** Of the first event. */
  readonly since: EpochMs;
  /** Name in its statechart. */
  readonly state: string;
  readonly view: JsonObject;
};

/** Where a fold stops: after the event with this number, or after the last one that is not later than this time. */
export type At = { readonly seq: number } | { readonly time: EpochMs };

export type IdPage = { readonly ids: readonly string[]; readonly next?: string };

export type ActorKind = {
  readonly kind: string;
  /** Name of the statechart that `ActorState.state` belongs to. */
  readonly statechart: string;
  /** What `next` of a page looks like. */
  readonly cursor: RegExp;
  list(log: ReadableLog, cursor: string, max: number): Promise<IdPage>;
  /** Undefined: there is no such actor. `at` absent: after its last event. */
  stateAt(log: ReadableLog, id: string, at?: At): Promise<ActorState | undefined>;
  /** Events with seq > after, at most `max`. */
  events(
    log: ReadableLog,
    id: string,
    range: { readonly after: number; readonly max: number },
  ): Promise<readonly TimelineEntry[]>;
};
