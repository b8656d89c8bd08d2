/**
 * Timers of statecharts, kept per actor.
 *
 * xstate's own scheduler looks through the timers of all actors whenever one of them ends: with thousands of
 * connections that come and go, a third of the gateway's time (docs/adr/0009). It also names timers by chance; here nothing
 * is left to it.
 * @module
 */
import type { ActorSystem, AnyActorRef, AnyEventObject } from "xstate";
import type { Clock, Timer } from "./ports.ts";

type Relay = (source: AnyActorRef, target: AnyActorRef, event: AnyEventObject) => void;
type System = ActorSystem<never> & { _relay: Relay };

export class ActorTimers {
  readonly #clock: Clock;
  readonly #relay: Relay;
  readonly #timers = new Map<AnyActorRef, Map<string, Timer>>();
  #unnamed = 0;

  /** Takes the place of the system's scheduler. */
  static install(system: unknown, clock: Clock): void {
    const target = system as { scheduler: unknown } & System;
    target.scheduler = new ActorTimers(clock, (source, to, event) => target._relay(source, to, event));
  }

  private constructor(clock: Clock, relay: Relay) {
    this.#clock = clock;
    this.#relay = relay;
  }

  // biome-ignore lint/complexity/useMaxParams: the signature is xstate's
  schedule(
    source: AnyActorRef,
    target: AnyActorRef,
    event: AnyEventObject,
    delayMs: number,
    id = `timer ${++this.#unnamed}`,
  ): void {
    const own = this.#timers.get(source) ?? new Map<string, Timer>();
    this.#timers.set(source, own);
    own.get(id)?.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#forget(source, id);
      this.#relay(source, target, event);
    });
    own.set(id, timer);
  }

  cancel(source: AnyActorRef, id: string): void {
    this.#timers.get(source)?.get(id)?.cancel();
    this.#forget(source, id);
  }

  cancelAll(source: AnyActorRef): void {
    for (const timer of this.#timers.get(source)?.values() ?? []) timer.cancel();
    this.#timers.delete(source);
  }

  #forget(source: AnyActorRef, id: string): void {
    const own = this.#timers.get(source);
    own?.delete(id);
    if (own?.size === 0) this.#timers.delete(source);
  }
}
