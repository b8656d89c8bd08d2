/**
 * The whole outside world of a gateway. Nothing else in protocol, actors and runtime touches clocks, chance,
 * sockets, files or processes; `transport/`, `log/` and `system.ts` implement these.
 * @module
 */
import type { EpochMs, Seq } from "../protocol/ids.ts";
import type { Bus } from "./bus/bus.ts";
import type { EventLog, LogRecord, NewRecord } from "./log/event-log.ts";
import type { LatencyHistogram } from "./metrics.ts";
import type { Role } from "./role.ts";
import type { Transport } from "./transport/transport.ts";

export type Timer = { cancel(): void };

export type Clock = {
  now(): EpochMs;
  /** `wake` is called once, not before `delayMs` have passed. */
  after(delayMs: number, wake: () => void): Timer;
  /** `run` is called soon, after the work that is already waiting (end of the tick). */
  soon(run: () => void): void;
};

export type Random = {
  /** Uniform in [0, 1). */
  next(): number;
  /** Unguessable, base64url, of so many random bytes. */
  token(bytes: number): string;
};

/** One-way hash of a secret, for storing; base64url of SHA-256. */
export type Digest = (secret: string) => string;

/** This process, for metrics. */
export type ProcessProbe = {
  /** Of the machine, that it may use. */
  readonly cores: number;
  residentBytes(): number;
  cpuSeconds(): number;
  /** How late the event loop came to a timer, 50 times a second since the start. */
  readonly loopDelay: LatencyHistogram;
  /** Live objects of the program itself, and what they hold outside of the heap. */
  heap(): { readonly usedBytes: number; readonly externalBytes: number };
  /** How long the collector stopped the program. Absent where the runtime does not tell (Bun, Deno). */
  readonly gcPauses?: LatencyHistogram;
};

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Logger = { log(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void };

/** Who a token names and what it may do. */
export type Identity = {
  /** Anonymous: "". */
  readonly subject: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly expiresAt?: EpochMs;
  /** Absent: a client and nothing else. */
  readonly role?: Role;
};
export type Authentication =
  | { readonly ok: true; readonly identity: Identity }
  | {
      readonly ok: false;
      readonly code: "unauthenticated" | "tokenInvalid" | "tokenExpired";
      readonly message: string;
    };
/** Rejects when it cannot tell now (signing keys out of reach): the token may be good, the client comes again. */
export type Authenticator = { authenticate(token: string | undefined): Promise<Authentication> };

/** Where a publish was on its way into the log. */
export type PublishSpan = {
  readonly traceId: string;
  /** Stored with the record. */
  readonly traceparent: string;
  end(outcome: { readonly seq: Seq } | { readonly failure: string }): void;
};

/** Spans of the records that are in a sampled trace. */
export type Tracer = {
  /** Undefined: it is in none. */
  publish(
    record: Pick<NewRecord, "topic" | "headers">,
    about: { readonly session: string; readonly connection: string | undefined },
  ): PublishSpan | undefined;
  /** They were handed to the sockets of so many receivers. */
  delivered(records: readonly LogRecord[], receivers: number): void;
};

export type Ports = {
  readonly clock: Clock;
  readonly random: Random;
  readonly digest: Digest;
  readonly log: EventLog;
  /** To other nodes on the same log, and to services. */
  readonly bus: Bus;
  readonly transport: Transport;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly probe: ProcessProbe;
  /** Absent: tracing is off, and nothing is done for it. */
  readonly tracer?: Tracer;
};
