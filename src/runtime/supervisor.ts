/**
 * Root of the actor tree. Every connection and session is its child; an actor that throws is stopped alone, its
 * cause is recorded, and the policy says whether and when it may come back.
 * @module
 */
import { type Actor, type AnyStateMachine, createActor, type EventFromLogic, fromCallback, type InputFrom } from "xstate";
import { type Crash, restartIn, supervise, type SupervisorState, type Verdict } from "../actors/supervisor/policy.ts";
import type { Clock, Logger } from "./ports.ts";

type Signal = { readonly type: string; readonly error?: unknown };
/** Root logic: hears of every child that threw. */
const watcher = fromCallback<Signal, (signal: Signal) => void>(({ receive, input }) => receive(input));

export type OnCrash = (verdict: Verdict, error: unknown) => void;

export type Child<Signal> = { send(signal: Signal): void };
type ChildParts<Logic extends AnyStateMachine> = { readonly id: string; readonly input: InputFrom<Logic>; readonly onCrash: OnCrash };

const actorError = /^xstate\.error\.actor\.(.+)$/;

export class Supervisor {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #root: Actor<typeof watcher>;
  readonly #onCrash = new Map<string, OnCrash>();
  #state: SupervisorState = new Map();
  crashes = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#root = createActor(watcher, {
      id: "gateway",
      input: (signal) => this.#receive(signal),
      clock: {
        setTimeout: (wake: (...args: unknown[]) => void, delayMs: number) => clock.after(delayMs, wake),
        clearTimeout: (timer: { cancel(): void } | undefined) => timer?.cancel(),
      },
    });
    this.#root.start();
  }

  /** Starts a child; `onCrash` is called once, when it throws. */
  spawn<Logic extends AnyStateMachine>(logic: Logic, child: ChildParts<Logic>): Child<EventFromLogic<Logic>> {
    this.#onCrash.set(child.id, child.onCrash);
    const actor: Actor<AnyStateMachine> = createActor(logic, { id: child.id, input: child.input, parent: this.#root } as never);
    actor.start();
    return {
      // What comes for an actor that has ended is late, not wrong.
      send: (signal) => {
        if (actor.getSnapshot().status === "active") actor.send(signal);
      },
    };
  }

  /** It ended as it should. */
  forget(id: string): void {
    this.#onCrash.delete(id);
  }

  /** Runs one piece of an actor's work; what it throws is that actor's crash and nobody else's. */
  guard(id: string, work: () => void | Promise<void>): void {
    try {
      const pending = work();
      if (pending !== undefined) void pending.catch((error: unknown) => this.#crash(id, error));
    } catch (error) {
      this.#crash(id, error);
    }
  }

  restartIn(id: string): number {
    return restartIn(this.#state, id, this.#clock.now());
  }

  stop(): void {
    this.#root.stop();
  }

  #receive(signal: Signal): void {
    const id = actorError.exec(signal.type)?.[1];
    if (id !== undefined) this.#crash(id, signal.error);
  }

  #crash(actor: string, error: unknown): void {
    const onCrash = this.#onCrash.get(actor);
    if (onCrash === undefined) return;
    this.#onCrash.delete(actor);
    this.crashes++;
    const cause = error instanceof Error ? error.message : String(error);
    const crash: Crash = { actor, cause, at: this.#clock.now() };
    const { state, verdict } = supervise(this.#state, crash);
    this.#state = state;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#logger.log("error", "actor crashed", { actor, cause, verdict: verdict.kind, stack });
    onCrash(verdict, error);
  }
}
