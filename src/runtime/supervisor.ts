/**
 * Root of the actor tree. Every connection and session is its child; an actor that throws is stopped alone, its
 * cause is recorded, and the policy says whether and when it may come back.
 * @module
 */
import {
  type Actor,
  type AnyStateMachine,
  createActor,
  type EventFromLogic,
  type EventObject,
  fromCallback,
  type InputFrom,
} from "xstate";
import { type Crash, restartIn, type SupervisorState, supervise, type Verdict } from "../actors/supervisor/policy.ts";
import { ActorTimers } from "./actor-timers.ts";
import type { Clock, Logger } from "./ports.ts";

type Signal = { readonly type: string; readonly error?: unknown };
/** Root logic: hears of every child that threw. */
const watcher = fromCallback<Signal, (signal: Signal) => void>(({ receive, input }) => receive(input));

/** What an actor works for; told once, when it threw. */
export type Supervised = {
  crashed(verdict: Verdict): void;
  /** For log lines: whose it is. */
  ids?(): { readonly connection: string | undefined; readonly session: string | undefined };
};
type ChildParts<Logic extends AnyStateMachine> = {
  readonly id: string;
  readonly input: InputFrom<Logic>;
  readonly owner: Supervised;
};

export class Child<Signal extends EventObject> {
  readonly #actor: Actor<AnyStateMachine>;

  constructor(actor: Actor<AnyStateMachine>) {
    this.#actor = actor;
  }

  /** Name of the state it is in. */
  get state(): string {
    return String(this.#actor.getSnapshot().value);
  }

  /** What comes for an actor that has ended is late, not wrong. */
  send(signal: Signal): void {
    if (this.#actor.getSnapshot().status === "active") this.#actor.send(signal);
  }
}

const actorError = /^xstate\.error\.actor\.(.+)$/;

export class Supervisor {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #root: Actor<typeof watcher>;
  readonly #owners = new Map<string, Supervised>();
  #state: SupervisorState = new Map();
  crashes = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#root = createActor(watcher, { id: "gateway", input: (signal) => this.#receive(signal) });
    ActorTimers.install(this.#root.system, clock);
    this.#root.start();
  }

  /** Starts a child. */
  spawn<Logic extends AnyStateMachine>(logic: Logic, child: ChildParts<Logic>): Child<EventFromLogic<Logic>> {
    this.#owners.set(child.id, child.owner);
    const actor: Actor<AnyStateMachine> = createActor(logic, {
      id: child.id,
      input: child.input,
      parent: this.#root,
    } as never);
    actor.start();
    return new Child(actor);
  }

  /** It ended as it should. */
  forget(id: string): void {
    this.#owners.delete(id);
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
    const owner = this.#owners.get(actor);
    if (owner === undefined) return;
    this.#owners.delete(actor);
    this.crashes++;
    const cause = error instanceof Error ? error.message : String(error);
    const crash: Crash = { actor, cause, at: this.#clock.now() };
    const { state, verdict } = supervise(this.#state, crash);
    this.#state = state;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#logger.log("error", "actor crashed", { actor, ...owner.ids?.(), cause, verdict: verdict.kind, stack });
    owner.crashed(verdict);
  }
}
