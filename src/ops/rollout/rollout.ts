/**
 * Performs a staged rollout: what its statechart asks for is done over the REST APIs of the nodes, and what they
 * answer goes back to it.
 * @module
 */
import { createActor } from "xstate";
import type { RolloutEffect } from "../../actors/effect.ts";
import { type RolloutInput, type RolloutSignal, rolloutMachine } from "../../actors/rollout/machine.ts";
import { pause } from "../../runtime/pause.ts";
import { systemClock } from "../../runtime/system.ts";
import { behaviourBetween } from "./behaviour.ts";
import { type DrainOrder, type DrainState, NodeError, type Nodes, type NodeTotals } from "./nodes.ts";

export type RolloutPlan = RolloutInput & {
  /** Names of the nodes that have the clients now, and of those that are to have them. */
  readonly from: readonly string[];
  readonly to: readonly string[];
};
export type RolloutOutcome = { readonly state: "done" | "rolledBack" | "failed"; readonly reason?: string };

const lookMs = 1_000;
const clock = systemClock();
const reason = "rollout";

/** `told`: what happens, for people. Resolves at the end; `signal` asks it to stop and take everybody back. */
export async function rollOut(
  nodes: Nodes,
  plan: RolloutPlan,
  { told, signal }: { readonly told: (line: string) => void; readonly signal?: AbortSignal },
): Promise<RolloutOutcome> {
  const work = new Work(nodes, plan, (signal) => actor.send(signal));
  const machine = rolloutMachine.provide({ actions: { "perform effect": (_, effect) => work.begin(effect) } });
  const actor = createActor(machine, { input: plan });
  const ended = Promise.withResolvers<RolloutOutcome>();
  let state = "";
  actor.subscribe((snapshot) => {
    if (snapshot.value === state) return;
    state = snapshot.value;
    const { at, stages, reason: why } = snapshot.context;
    told(lineOf(state, { share: stages[at] as number, why }));
    if (snapshot.status !== "done") return;
    work.stop();
    ended.resolve({ state: state as RolloutOutcome["state"], ...(why === undefined ? {} : { reason: why }) });
  });
  const stop = (): void => actor.send({ type: "stop.asked" });
  signal?.addEventListener("abort", stop);
  actor.start();
  try {
    return await ended.promise;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function lineOf(state: string, { share, why }: { readonly share: number; readonly why: string | undefined }): string {
  const stage = `${Math.round(share * 100)} %`;
  const because = why === undefined ? "" : `: ${why}`;
  const lines: Readonly<Record<string, string>> = {
    measuring: "Measuring the nodes that have the clients",
    moving: `Moving clients, up to ${stage}`,
    watching: `Watching the new nodes with ${stage} of the clients`,
    rollingBack: `Rolling back${because}`,
    done: "Done, all clients have moved",
    rolledBack: `Rolled back${because}`,
    failed: `Failed${because}`,
  };
  return lines[state] ?? state;
}

type Draining = {
  readonly nodes: readonly string[];
  readonly order: DrainOrder;
  readonly isOver: () => boolean;
  readonly looked?: (node: string, state: DrainState) => Promise<void>;
};

/** One piece of work at a time: what is begun ends what was under way. */
class Work {
  readonly #nodes: Nodes;
  readonly #plan: RolloutPlan;
  readonly #send: (signal: RolloutSignal) => void;
  /** Counts what was begun. */
  #turn = 0;

  constructor(nodes: Nodes, plan: RolloutPlan, send: (signal: RolloutSignal) => void) {
    this.#nodes = nodes;
    this.#plan = plan;
    this.#send = send;
  }

  begin(effect: RolloutEffect): void {
    const turn = ++this.#turn;
    const isOver = (): boolean => turn !== this.#turn;
    this.#perform(effect, isOver).catch((error: unknown) => {
      if (isOver()) return;
      const cause = error instanceof NodeError ? error.message : String(error);
      this.#send({ type: "nodes.lost", cause });
    });
  }

  stop(): void {
    this.#turn++;
  }

  async #perform(effect: RolloutEffect, isOver: () => boolean): Promise<void> {
    const { from, to, watchMs } = this.#plan;
    switch (effect.type) {
      case "take baseline": {
        const before = await this.#totals(from);
        await pause(clock, watchMs);
        const behaviour = behaviourBetween(before, await this.#totals(from));
        return isOver() ? undefined : this.#send({ type: "baseline.taken", behaviour });
      }
      case "move clients":
        return await this.#move(effect.share, isOver);
      case "take clients back": {
        // First the places to come back to.
        for (const node of from) await this.#nodes.undrain(node);
        await this.#drain({ nodes: to, order: { reason, to: from }, isOver });
        return isOver() ? undefined : this.#send({ type: "clients.returned" });
      }
    }
  }

  /** Goes on watching until the next piece of work. */
  async #move(share: number, isOver: () => boolean): Promise<void> {
    const { from, to } = this.#plan;
    const before = await this.#totals(to);
    const drained = new Map<string, DrainState>();
    const watch = async (): Promise<void> => {
      const behaviour = behaviourBetween(before, await this.#totals(to));
      const states = [...drained.values()];
      const [sent, notCome] = [sum(states.map(({ gone }) => gone)), sum(states.map(({ closed }) => closed))];
      if (!isOver()) this.#send({ type: "nodes.watched", behaviour: { ...behaviour, sent, notCome } });
    };
    const order = { reason, to, ...(share < 1 ? { share } : {}) };
    const looked = async (node: string, state: DrainState): Promise<void> => {
      drained.set(node, state);
      await watch();
    };
    await this.#drain({ nodes: from, order, isOver, looked });
    if (isOver()) return;
    this.#send({ type: "clients.moved" });
    for (;;) {
      await pause(clock, lookMs);
      if (isOver()) return;
      await watch();
    }
  }

  /** Nodes that drain as a whole share the rate; those that only send a share away do not know of each other. */
  async #drain({ nodes, order, isOver, looked }: Draining): Promise<void> {
    const groups = order.share === undefined ? [nodes] : nodes.map((node) => [node]);
    for (const group of groups) {
      await Promise.all(group.map((node) => this.#nodes.drain(node, order)));
      for (let moving = true; moving; ) {
        await pause(clock, lookMs);
        const states = await Promise.all(group.map((node) => this.#nodes.drainState(node)));
        if (isOver()) return;
        for (const [i, node] of group.entries()) await looked?.(node, states[i] as DrainState);
        moving = states.some(({ state }) => state !== "done");
      }
    }
  }

  #totals(nodes: readonly string[]): Promise<readonly NodeTotals[]> {
    return Promise.all(nodes.map((node) => this.#nodes.totals(node)));
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
