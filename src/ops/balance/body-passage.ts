/**
 * Passes a body from one socket to another as it comes, counted by its framing, so that what follows it stays with its
 * reader. What the receiver does not take stops the reading of the sender.
 * @module
 */
import type { BalanceContext } from "./balance-context.ts";
import { BodyMeter, type Framing } from "./http-body.ts";
import type { Sweepable } from "./idle-sweep.ts";
import type { SocketReader } from "./socket-reader.ts";
import type { Passage } from "./tunnel.ts";

/** over: the sender ended first · invalid: it is no body as was announced · idle: nothing moved · stopped: nobody wants the rest. */
export type BodyEnd = "done" | "over" | "invalid" | "idle" | "stopped";
export type BodyPassage = { readonly end: Promise<BodyEnd>; isDone(): boolean; stop(): void };
export type BodyWay = {
  readonly from: SocketReader;
  readonly to: SocketReader;
  readonly framing: Framing;
  readonly count: keyof Passage;
};

export function passBody(context: BalanceContext, way: BodyWay): BodyPassage {
  const passing = new PassingBody(context, way);
  passing.start();
  return passing;
}

class PassingBody implements BodyPassage, Sweepable {
  activeAt = 0;
  readonly end: Promise<BodyEnd>;
  readonly #context: BalanceContext;
  readonly #way: BodyWay;
  readonly #meter: BodyMeter;
  #settle: (end: BodyEnd) => void = () => undefined;
  readonly #overBefore: (() => void) | undefined;
  #isSettled = false;

  constructor(context: BalanceContext, way: BodyWay) {
    this.end = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#context = context;
    this.#way = way;
    this.#meter = new BodyMeter(way.framing, context.limits.chunkLineBytesMax);
    this.#overBefore = way.from.onOver;
  }

  isDone(): boolean {
    return this.#meter.done;
  }

  start(): void {
    const { from, to } = this.#way;
    if (this.#meter.done) return this.#ended("done");
    this.#context.sweep.add(this);
    to.onDrained = () => {
      this.activeAt = this.#context.sweep.number;
      if (!this.#isSettled) from.socket.resume();
    };
    from.sink = (bytes) => this.#pass(bytes);
    from.onOver = () => {
      this.#overBefore?.();
      if (from.isOver) this.#ended("over");
    };
    const held = from.take();
    if (held.byteLength > 0) this.#pass(held);
    if (this.#isSettled) return;
    if (from.isOver) this.#ended("over");
    else from.socket.resume();
  }

  idle(): void {
    this.#ended("idle");
  }
  stop(): void {
    this.#ended("stopped");
  }

  #pass(bytes: Uint8Array): void {
    const { from, to, count } = this.#way;
    const { metrics, sweep, limits } = this.#context;
    this.activeAt = sweep.number;
    const taken = this.#meter.take(bytes);
    metrics.bytes[count] += taken;
    if (taken > 0 && !to.socket.write(bytes.subarray(0, taken))) {
      from.socket.pause();
      if (to.socket.bufferedBytes() > limits.heldBytesMax) return this.#ended("invalid");
    }
    if (this.#meter.problem !== undefined) return this.#ended("invalid");
    if (!this.#meter.done) return;
    // What follows is another request's or answer's: it waits with its reader.
    this.#ended("done");
    from.giveBack(bytes.subarray(taken));
  }

  #ended(how: BodyEnd): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const { from } = this.#way;
    this.#context.sweep.remove(this);
    from.sink = undefined;
    from.onOver = this.#overBefore;
    this.#settle(how);
  }
}
