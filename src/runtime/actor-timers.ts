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
/** Timers of one actor. A list, not a map: most have one, none has many. */
type Held = { readonly id: string; readonly timer: Timer; readonly next: Held | undefined };

export class ActorTimers {
  readonly #clock: Clock;
  readonly #relay: Relay;
  readonly #timers = new Map<AnyActorRef, Held>();
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
    this.cancel(source, id);
    const timer = this.#clock.after(delayMs, () => {
      this.#take(source, id);
      this.#relay(source, target, event);
    });
    this.#timers.set(source, { id, timer, next: this.#timers.get(source) });
  }

  cancel(source: AnyActorRef, id: string): void {
    this.#take(source, id)?.cancel();
  }

  cancelAll(source: AnyActorRef): void {
    for (let held = this.#timers.get(source); held !== undefined; held = held.next) held.timer.cancel();
    this.#timers.delete(source);
  }

  /** It is not the actor's any more. */
  #take(source: AnyActorRef, id: string): Timer | undefined {
    let kept: Held | undefined;
    let taken: Timer | undefined;
    for (let held = this.#timers.get(source); held !== undefined; held = held.next) {
      if (held.id === id) taken = held.timer;
      else kept = { ...held, next: kept };
    }
    if (taken === undefined) return undefined;
    if (kept === undefined) this.#timers.delete(source);
    else this.#timers.set(source, kept);
    return taken;
  }
}
