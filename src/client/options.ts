/**
 * What `connect`, `publish`, `subscribe` and `history` may be told, with every default; and the door where it is checked.
 *
 * Pure. An option that is unknown or has the wrong kind of value is an error that names it.
 * @module
 */
import type { Codec } from "../protocol/codec.ts";
import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { Headers, Qos, StartAt } from "../protocol/frame.ts";
import type { LogEpoch, Seq } from "../protocol/ids.ts";
import { type Lane, type LaneName, laneNames, normalLane } from "../protocol/lane.ts";
import { clientError } from "./errors.ts";
import type { WebSocketClass } from "./platform.ts";
import type { ClientPorts } from "./ports.ts";
import type { ReconnectOptions } from "./reconnect.ts";
import type { ClientStore } from "./store.ts";

export type TokenOption = string | (() => string | Promise<string>);

export type ConnectOptions = {
  /** A JWT, or a function that gets one: called at every connect, and before the token in use runs out. */
  readonly token?: TokenOption;
  /** @default msgpack */
  readonly codec?: Codec;
  /** Where session, unsettled publishes and QoS 2 positions survive a restart. Absent: they live as long as the client. */
  readonly store?: ClientStore;
  /** How long the gateway keeps the session after the connection is lost; 0: not at all. @default the gateway's */
  readonly resumeWindowMs?: number;
  /** Name and version of the application, for operators. */
  readonly agent?: string;
  /** The outside world in the place of the platform's, for tests and simulations: `clock`, `random`, `openSocket`. */
  readonly ports?: Partial<ClientPorts>;
  /** WebSocket class where there is no global one (Node 20: the `ws` package's). */
  readonly webSocket?: WebSocketClass;
  readonly reconnect?: Partial<ReconnectOptions>;
  /** Bounds of publishes that are not settled; past them `publish` rejects with `outboxFull`. @default 65_536 records, 64 MiB */
  readonly outbox?: { readonly recordsMax?: number; readonly bytesMax?: number };
  /** Acknowledgements travel after so many records or so much time, whichever is first. @default 256 records, 50 ms */
  readonly ack?: { readonly records?: number; readonly ms?: number };
  /** PING that often; a gateway that answers nothing for `pongMs` of the protocol is given up. @default the gateway's */
  readonly heartbeatMs?: number;
  /**
   * What becomes of publishes that had been sent and not confirmed when the session was lost: `fail` rejects them with
   * `outcomeUnknown`, `resend` publishes them in the new session, where they may stand twice. @default "fail"
   */
  readonly onSessionLost?: "fail" | "resend";
};

export type PublishOptions = {
  readonly headers?: Headers;
  /** @default "normal" */
  readonly priority?: LaneName;
  /** One in flight per topic: order holds even over a failover of the log. @default false */
  readonly ordered?: boolean;
  /** Stops the waiting, and withdraws a record that has no number yet. */
  readonly signal?: AbortSignal;
};

export type StartOption =
  | "new"
  | "all"
  | "last"
  | { readonly seq: number; readonly epoch: string }
  | { readonly time: number | Date };

/** A position of the application's own: everything of the lane up to `seq` is processed. */
export type ProcessedPosition = { readonly epoch: LogEpoch; readonly lane: Lane; readonly seq: Seq };

export type SubscribeOptions = {
  /** 0 at most once, 1 at least once, 2 exactly once. @default 1 */
  readonly qos?: Qos;
  /** Used when neither the session nor the store knows a position. @default "new" */
  readonly start?: StartOption;
  /**
   * Positions that the application stored in one transaction with its own data: nothing up to them is handed out again.
   * The only way to exactly-once effects when a process can die between processing and storing the position.
   */
  readonly processed?: readonly ProcessedPosition[];
  /** Records and bytes that may wait unacknowledged; also the bound of what is buffered here. */
  readonly window?: { readonly records?: number; readonly bytes?: number };
  readonly ackWaitMs?: number;
  readonly maxDeliver?: number;
  /** QoS 0 on a congested socket. @default "skip" */
  readonly congestion?: "skip" | "conflate";
  /** False: the application calls record.ack() or record.nak(). @default true */
  readonly autoAck?: boolean;
  /** Callbacks under way at once; above 1 records may finish out of order. @default 1 */
  readonly concurrency?: number;
};

export type HistoryOptions = {
  /** Records of one page. @default 100 */
  readonly limit?: number;
  /** Newest first. @default false */
  readonly backward?: boolean;
  readonly from?: StartOption;
};

export type Settings = {
  readonly reconnect: ReconnectOptions;
  readonly outbox: { readonly recordsMax: number; readonly bytesMax: number };
  readonly ack: { readonly records: number; readonly ms: number };
  readonly onSessionLost: "fail" | "resend";
};

const defaults = {
  reconnect: { minMs: 100, maxMs: 30_000 },
  outbox: { recordsMax: 65_536, bytesMax: 67_108_864 },
  ack: { records: 256, ms: 50 },
} as const;

type Check = (value: unknown) => string | undefined;
type Shape = { readonly [name: string]: Check };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const whole =
  (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
      ? undefined
      : `a whole number from ${min} to ${max}`;
const oneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `one of ${values.join(", ")}`;
const boolean: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");
const object: Check = (value) => (isObject(value) ? undefined : "an object");
const text =
  (bytesMax: number): Check =>
  (value) =>
    typeof value === "string" && value.length <= bytesMax ? undefined : `text of at most ${bytesMax} bytes`;
const storeCheck: Check = (value) =>
  isObject(value) && ["load", "write", "close"].every((name) => typeof value[name] === "function")
    ? undefined
    : "a store with functions load, write, close";
const callable: Check = (value) => (typeof value === "function" ? undefined : "a class");
const start: Check = (value) => {
  if (value === "new" || value === "all" || value === "last") return undefined;
  if (isObject(value) && typeof value["seq"] === "number" && typeof value["epoch"] === "string") return undefined;
  if (isObject(value) && (typeof value["time"] === "number" || value["time"] instanceof Date)) return undefined;
  return '"new", "all", "last", {seq, epoch} or {time}';
};

const connectShape: Shape = {
  token: (value) => (typeof value === "function" ? undefined : text(limits.tokenBytesMax)(value)),
  codec: (value) => (isObject(value) && typeof value["encode"] === "function" ? undefined : "a codec object"),
  store: storeCheck,
  resumeWindowMs: whole(0, limits.resumeWindowMsMax),
  agent: text(limits.textBytesMax),
  ports: object,
  webSocket: callable,
  reconnect: object,
  outbox: object,
  ack: object,
  heartbeatMs: whole(100, 3_600_000),
  onSessionLost: oneOf("fail", "resend"),
};
const publishShape: Shape = { headers: object, priority: oneOf(...laneNames), ordered: boolean, signal: object };
const subscribeShape: Shape = {
  qos: oneOf(0, 1, 2),
  start,
  processed: (value) => (Array.isArray(value) ? undefined : "a list of {epoch, lane, seq}"),
  window: object,
  ackWaitMs: whole(limits.ackWaitMsMin, limits.ackWaitMsMax),
  maxDeliver: whole(0, limits.maxDeliverMax),
  congestion: oneOf("skip", "conflate"),
  autoAck: boolean,
  concurrency: whole(1, limits.deliverWindowRecordsMax),
};
const windowShape: Shape = {
  records: whole(1, limits.deliverWindowRecordsMax),
  bytes: whole(1, limits.deliverWindowBytesMax),
};
const historyShape: Shape = { limit: whole(1, limits.pageRecordsMax), backward: boolean, from: start };

function check(what: string, options: object, shape: Shape): void {
  if (!isObject(options)) throw clientError("badOption", `Options of ${what} are an object, not ${typeof options}`);
  for (const name of Object.keys(options)) {
    const test = shape[name];
    if (test === undefined)
      throw clientError("badOption", `Unknown option "${name}" of ${what}; known: ${Object.keys(shape).join(", ")}`);
    const value = options[name];
    const wanted = value === undefined ? undefined : test(value);
    if (wanted !== undefined)
      throw clientError("badOption", `Option "${name}" of ${what} is ${describe(value)}, not ${wanted}`);
  }
}

function describe(value: unknown): string {
  return typeof value === "string" ? `"${value.slice(0, 40)}"` : isObject(value) ? "an object" : String(value);
}

export function urlsOf(url: string | readonly string[]): readonly string[] {
  const urls = typeof url === "string" ? [url] : url;
  const bad = urls.length === 0 ? "" : urls.find((one) => !/^wss?:\/\//.test(one));
  if (bad !== undefined) throw clientError("badArgument", `URL "${bad}" does not begin with ws:// or wss://`);
  return urls;
}

export function settings(options: ConnectOptions): Settings {
  check("connect", options, connectShape);
  check("connect.reconnect", options.reconnect ?? {}, { minMs: whole(1), maxMs: whole(1) });
  check("connect.outbox", options.outbox ?? {}, { recordsMax: whole(1), bytesMax: whole(1) });
  check("connect.ack", options.ack ?? {}, { records: whole(1), ms: whole(0, 3_600_000) });
  check("connect.ports", options.ports ?? {}, { clock: object, random: object, openSocket: callable });
  return {
    reconnect: { ...defaults.reconnect, ...options.reconnect },
    outbox: { ...defaults.outbox, ...options.outbox },
    ack: { ...defaults.ack, ...options.ack },
    onSessionLost: options.onSessionLost ?? "fail",
  };
}

export function checkPublish(options: PublishOptions): void {
  check("publish", options, publishShape);
}
export function checkSubscribe(options: SubscribeOptions): void {
  check("subscribe", options, subscribeShape);
  if (options.window !== undefined) check("subscribe.window", options.window, windowShape);
}
export function checkHistory(options: HistoryOptions): void {
  check("history", options, historyShape);
}

export function laneOf(priority: LaneName | undefined): Lane {
  return priority === undefined ? normalLane : (laneNames.indexOf(priority) as Lane);
}

export function startAt(from: StartOption): StartAt {
  if (typeof from === "string") return { kind: from };
  if ("seq" in from) return { kind: "position", seq: from.seq, epoch: from.epoch };
  return { kind: "time", time: typeof from.time === "number" ? from.time : from.time.getTime() };
}
