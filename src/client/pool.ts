/**
 * Membership of a pool: takes work, as many records at once as the member says, and tells what became of each.
 *
 * Work comes at least once: after a loss of connection what was under way may come again, here or at another member, as a
 * later `attempt`. A membership joins again whenever its client comes back.
 *
 * `import { joinPool } from "weir/client/pool"`
 * @module
 */
import type { Failed, Joined, Left, Work } from "../protocol/feature-frame.ts";
import type { DeliveredRecord, ErrorFrame, Frame } from "../protocol/frame.ts";
import { poolFrames } from "../protocol/pool-shape.ts";
import type { Client } from "./api.ts";
import type { WeirError } from "./errors.ts";
import type { Extension, ExtensionHost } from "./extensions.ts";
import { HistoryRecord } from "./record.ts";

export type PoolOptions = {
  /** Records that it takes at once. 1 to 4 096 unless the gateway says otherwise. @default 1 */
  readonly capacity?: number;
  /** Share of the work that it should have beside other members, for strategies that weigh. 1 to 1 000. @default 1 */
  readonly weight?: number;
  /** It gets records whose header `weir-tag` is one of these, too. */
  readonly tags?: readonly string[];
};

/** A record that is this member's to do. */
export class PoolWork extends HistoryRecord {
  /** Number of this try, from 1. */
  readonly attempt: number;
  /** Aborted when the record is not this member's any more: the connection was lost, or the membership has ended. */
  readonly signal: AbortSignal;

  constructor(record: DeliveredRecord, about: { readonly attempt: number; readonly signal: AbortSignal }) {
    super(record);
    this.attempt = about.attempt;
    this.signal = about.signal;
  }
}

/** Returns (or resolves): done. Throws (or rejects): failed; a number `delayMs` of the error says when to try it again. */
export type PoolHandler = (work: PoolWork) => unknown;

export type PoolMembership = {
  readonly pool: string;
  /** Work may come now. */
  readonly joined: boolean;
  /** Records that are being done. */
  readonly inFlight: number;
  /** Resolves when it has joined for the first time; rejects when it cannot. */
  readonly ready: Promise<void>;
  /** Resolves with the cause when it is no member any more, for good. */
  readonly ended: Promise<string>;
  /** Takes nothing new; resolves when what it has is done and the gateway has let it go. */
  leave(): Promise<void>;
};

/** One membership of each pool for each client. Throws when there is one already. */
export function joinPool(client: Client, pool: string, options: PoolOptions, handler: PoolHandler): PoolMembership {
  return client.extend("pool", (host) => new PoolExtension(host)).join(pool, options, handler);
}

const rejoinMs = 2_000;
const reasonMax = 512;
/** The gateway ended it, and would end it again. */
const final: ReadonlySet<string> = new Set(["removed", "drained", "left", "poolDeleted", "subscribeForbidden"]);

class PoolExtension implements Extension {
  readonly frames = poolFrames;
  readonly #host: ExtensionHost;
  readonly #members = new Map<string, Member>();

  constructor(host: ExtensionHost) {
    this.#host = host;
  }

  join(pool: string, options: PoolOptions, handler: PoolHandler): PoolMembership {
    if (this.#members.has(pool))
      throw this.#host.clientError("badArgument", `This client is a member of pool "${pool}" already`);
    const member = new Member(this.#host, { pool, options, handler });
    this.#members.set(pool, member);
    void member.ended.then(() => this.#members.delete(pool));
    if (this.#host.connected) member.join();
    return member;
  }

  frame(frame: Frame): void {
    if (frame.type === "work") this.#members.get(frame.pool)?.work(frame);
    else if (frame.type === "joined") this.#members.get(frame.pool)?.hasJoined(frame);
    else if (frame.type === "left") this.#members.get(frame.pool)?.left(frame);
  }

  refused(frame: ErrorFrame): boolean {
    // Done too late: the record is another's, and its handler was told by its signal or will never know.
    if (frame.cause === "itemNotYours") return true;
    return [...this.#members.values()].some((member) => member.refused(frame));
  }

  welcomed(): void {
    for (const member of this.#members.values()) member.join();
  }
  lost(): void {
    for (const member of this.#members.values()) member.lost();
  }
  ended({ code }: WeirError): void {
    for (const member of [...this.#members.values()]) member.end(code);
  }
}

type MemberParts = { readonly pool: string; readonly options: PoolOptions; readonly handler: PoolHandler };

class Member implements PoolMembership {
  readonly pool: string;
  readonly ready: Promise<void>;
  readonly ended: Promise<string>;
  joined = false;
  readonly #host: ExtensionHost;
  readonly #parts: MemberParts;
  #becomesReady: { resolve(): void; reject(error: WeirError): void } = { resolve() {}, reject() {} };
  #ends: (cause: string) => void = () => undefined;
  /** What is being done, by item. */
  readonly #doing = new Map<number, AbortController>();
  #done: number[] = [];
  #ref = 0;
  #leaving = false;
  #over = false;
  #timer: { cancel(): void } | undefined;

  constructor(host: ExtensionHost, parts: MemberParts) {
    this.#host = host;
    this.#parts = parts;
    this.pool = parts.pool;
    this.ready = new Promise((resolve, reject) => {
      this.#becomesReady = { resolve, reject };
    });
    this.ended = new Promise((resolve) => {
      this.#ends = resolve;
    });
    this.ready.catch(() => undefined);
  }

  get inFlight(): number {
    return this.#doing.size;
  }

  join(): void {
    if (this.#over || this.joined) return;
    if (this.#leaving) return this.end("left");
    this.#timer?.cancel();
    this.#ref = this.#host.nextRef();
    const { pool, options } = this.#parts;
    this.#host.send({ type: "join", ref: this.#ref, pool, ...options });
  }

  leave(): Promise<void> {
    if (!this.#leaving && !this.#over) {
      this.#leaving = true;
      if (this.joined) this.#host.send({ type: "leave", ref: (this.#ref = this.#host.nextRef()), pool: this.pool });
      else this.end("left");
    }
    return this.ended.then(() => undefined);
  }

  // --- what the gateway says ---

  hasJoined({ ref }: Joined): void {
    if (ref !== this.#ref) return;
    this.joined = true;
    this.#becomesReady.resolve();
  }

  left({ cause = "left" }: Left): void {
    this.lost();
    if (this.#leaving || final.has(cause)) this.end(cause);
    else this.join();
  }

  refused(frame: ErrorFrame): boolean {
    if (frame.ref === undefined || frame.ref !== this.#ref || this.joined) return false;
    if (frame.retryable) this.#timer = this.#host.clock.after(rejoinMs, () => this.#host.connected && this.join());
    else {
      this.#becomesReady.reject(this.#host.wireError(frame));
      this.end(frame.cause);
    }
    return true;
  }

  work({ item, attempt, record }: Work): void {
    const controller = new AbortController();
    this.#doing.set(item, controller);
    const work = new PoolWork(record, { attempt, signal: controller.signal });
    void this.#do(work).then((failure) => {
      if (this.#doing.get(item) !== controller) return; // Not this member's any more.
      this.#doing.delete(item);
      if (failure === undefined) this.#isDone(item);
      else this.#host.send({ type: "failed", pool: this.pool, item, ...failure });
    });
  }

  async #do(work: PoolWork): Promise<Pick<Failed, "reason" | "delayMs"> | undefined> {
    try {
      await this.#parts.handler(work);
      return undefined;
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, reasonMax);
      const { delayMs } = (error ?? {}) as { readonly delayMs?: unknown };
      return typeof delayMs === "number" && delayMs >= 0 ? { reason, delayMs: Math.round(delayMs) } : { reason };
    }
  }

  /** All that is done in one turn is told in one frame. */
  #isDone(item: number): void {
    if (this.#done.push(item) > 1) return;
    this.#host.clock.soon(() => {
      const items = this.#done;
      this.#done = [];
      if (items.length > 0) this.#host.send({ type: "done", pool: this.pool, items });
    });
  }

  /** The connection is gone, and the membership with it. */
  lost(): void {
    this.joined = false;
    this.#done = [];
    this.#timer?.cancel();
    const doing = [...this.#doing.values()];
    this.#doing.clear();
    for (const controller of doing) controller.abort(new Error(`The membership of pool "${this.pool}" was lost`));
  }

  end(cause: string): void {
    if (this.#over) return;
    this.#over = true;
    this.lost();
    this.#becomesReady.reject(this.#host.clientError("closed", `No member of pool "${this.pool}": ${cause}`));
    this.#ends(cause);
  }
}
