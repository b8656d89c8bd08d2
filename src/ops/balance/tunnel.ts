/**
 * Joins two sockets: bytes go through both ways as they come, and nobody looks into them. What one end does not take stops
 * the reading of the other; an end of one direction is passed on and leaves the other direction open.
 *
 * Owns: held for one direction is at most what one read brought (`heldBytesMax`).
 * @module
 */
import type { Clock } from "../../runtime/ports.ts";
import type { BalanceLimits } from "./balance-limits.ts";
import type { ByteSocket, ByteSocketHandler } from "./byte-socket.ts";
import type { IdleSweep, Sweepable } from "./idle-sweep.ts";
import { closeInPeace } from "./peaceful-close.ts";

/** closed: an end closed it · idle: nothing went through · overrun: the runtime read on though it was told to stop · stopped: the proxy did. */
export type TunnelEnd = "closed" | "idle" | "overrun" | "stopped";

/** Bytes that went through, by where they went. */
export type Passage = { toBackend: number; toClient: number };

export type TunnelOptions = {
  readonly client: ByteSocket;
  readonly backend: ByteSocket;
  readonly clock: Clock;
  readonly sweep: IdleSweep;
  readonly limits: Pick<BalanceLimits, "heldBytesMax" | "lingerMs">;
  /** Of all tunnels: each adds to it. */
  readonly total: Passage;
  /** Both sockets are gone. */
  onEnd(tunnel: Tunnel, how: TunnelEnd): void;
};

export class Tunnel implements Sweepable {
  activeAt = 0;
  toBackend = 0;
  toClient = 0;
  readonly #options: TunnelOptions;
  #how: TunnelEnd = "closed";
  #over = false;

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  /** Of both directions, in bytes: read from one end and not yet taken by the other. */
  get heldBytes(): number {
    return this.#options.client.bufferedBytes() + this.#options.backend.bufferedBytes();
  }

  /** `fromClient`, `fromBackend`: what was read already. */
  start(fromClient: Uint8Array, fromBackend: Uint8Array): void {
    const { client, backend, sweep, total, limits } = this.#options;
    const toBackend = new Direction(this, { from: client, to: backend, limits, sweep }, (bytes) => {
      this.toBackend += bytes;
      total.toBackend += bytes;
    });
    const toClient = new Direction(this, { from: backend, to: client, limits, sweep }, (bytes) => {
      this.toClient += bytes;
      total.toClient += bytes;
    });
    client.handler = new End(toBackend, toClient);
    backend.handler = new End(toClient, toBackend);
    sweep.add(this);
    // Before anything is written: an answer to it must find the other end ready.
    client.resume();
    backend.resume();
    if (fromBackend.byteLength > 0) toClient.pass(fromBackend);
    if (fromClient.byteLength > 0) toBackend.pass(fromClient);
  }

  idle(): void {
    this.cut("idle");
  }

  /** Ends both at once. */
  cut(how: TunnelEnd): void {
    this.#how = how;
    this.#options.client.destroy();
    this.#options.backend.destroy();
  }

  /** One socket is gone: what it sent still reaches the other, which then has some time to go too. */
  lost(other: ByteSocket): void {
    const { clock, limits, sweep, onEnd } = this.#options;
    if (this.#over) return;
    this.#over = true;
    sweep.remove(this);
    void closeInPeace(other, { clock, lingerMs: limits.lingerMs }).then(() => onEnd(this, this.#how));
  }
}

type Way = {
  readonly from: ByteSocket;
  readonly to: ByteSocket;
  readonly limits: Pick<BalanceLimits, "heldBytesMax">;
  readonly sweep: IdleSweep;
};

/** What one end sends, on its way to the other. */
class Direction {
  readonly tunnel: Tunnel;
  readonly way: Way;
  readonly #count: (bytes: number) => void;

  constructor(tunnel: Tunnel, way: Way, count: (bytes: number) => void) {
    this.tunnel = tunnel;
    this.way = way;
    this.#count = count;
  }

  pass(bytes: Uint8Array): void {
    const { from, to, sweep, limits } = this.way;
    this.tunnel.activeAt = sweep.number;
    this.#count(bytes.byteLength);
    if (to.write(bytes)) return;
    from.pause();
    if (to.bufferedBytes() > limits.heldBytesMax) this.tunnel.cut("overrun");
  }
  finish(): void {
    this.way.to.end();
  }
  goOn(): void {
    this.tunnel.activeAt = this.way.sweep.number;
    this.way.from.resume();
  }
  lost(): void {
    this.tunnel.lost(this.way.to);
  }
}

/** One socket's events: what it sends goes `out`, and when it has room what comes `back` to it goes on. */
class End implements ByteSocketHandler {
  readonly #out: Direction;
  readonly #back: Direction;

  constructor(out: Direction, back: Direction) {
    this.#out = out;
    this.#back = back;
  }
  data(bytes: Uint8Array): void {
    this.#out.pass(bytes);
  }
  ended(): void {
    this.#out.finish();
  }
  drained(): void {
    this.#back.goOn();
  }
  closed(): void {
    this.#out.lost();
  }
}
