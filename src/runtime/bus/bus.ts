/**
 * The bus: messages between nodes, and between nodes and services, that nobody keeps. One port, two adapters (local,
 * nats), one contract suite (test/contract/bus.ts).
 *
 * A message arrives at most once, at who subscribes when it passes. What must not be lost belongs into the log.
 * Subjects are relative, dotted, with `*` and a last `>` in a subscription: `b.…` between nodes, `r.<topic>` requests.
 * @module
 */
import type { Headers } from "../../protocol/frame.ts";

export type BusMessage = {
  readonly subject: string;
  /** Perhaps a part of something larger: copy what is kept for long. */
  readonly data: Uint8Array;
  readonly headers?: Headers;
  /** Answers it; the first answer counts. Absent: nobody waits. */
  readonly reply?: (data: Uint8Array, headers?: Headers) => void;
};

export type BusReply =
  | { readonly ok: true; readonly data: Uint8Array; readonly headers?: Headers }
  | {
      readonly ok: false;
      /**
       * noResponders: nobody subscribes to it · timeout: no answer in time · unavailable: the bus is away, closed, or has
       * too many requests under way · aborted: by the asker's own signal.
       */
      readonly code: "noResponders" | "timeout" | "unavailable" | "aborted";
    };
export type BusFailure = Extract<BusReply, { readonly ok: false }>;

export type BusRequestOptions = {
  readonly timeoutMs: number;
  readonly headers?: Headers;
  readonly signal?: AbortSignal;
};

export type BusSubscription = {
  stop(): void;
  /** Resolves when what others send from now on arrives; while the bus is away, when it is back. */
  ready(): Promise<void>;
};

export type Bus = {
  /** Largest message, data and headers together. A larger one throws a RangeError: whoever sends looks before. */
  readonly bytesMax: number;
  /** Never to who publishes before this has returned. Lost while the bus is away. */
  publish(subject: string, data: Uint8Array, headers?: Headers): void;
  /**
   * In the order of one publisher. `queue`: of all that subscribe with that name, one gets each message. `onMessage` must
   * not throw.
   */
  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription;
  request(subject: string, data: Uint8Array, options: BusRequestOptions): Promise<BusReply>;
  /** Ends subscriptions and requests of this bus; what was published before may still be under way. */
  close(): Promise<void>;
};

/** Of one bus at a time; more are answered `unavailable` at once. */
export const busRequestsMax = 65_536;

/** Bytes that count against `bytesMax`. */
export function messageBytes(data: Uint8Array, headers: Headers = {}): number {
  let bytes = data.byteLength;
  for (const [name, value] of Object.entries(headers)) bytes += utf8Bytes(name) + utf8Bytes(value);
  return bytes;
}

export function assertFits(bytes: number, bytesMax: number): void {
  if (bytes > bytesMax) throw new RangeError(`A bus message of ${bytes} bytes is larger than ${bytesMax}`);
}

const encoder = new TextEncoder();

function utf8Bytes(text: string): number {
  return encoder.encode(text).byteLength;
}
