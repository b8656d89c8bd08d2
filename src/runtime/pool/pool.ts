/**
 * One pool on one node: its statechart, its members that are connected here, and, on the one node that has claimed it, its
 * coordinator.
 *
 * Owns: a node coordinates a pool only after its claim is in the journal; of several that claim it one is not refused.
 * @module
 */
import { type PoolEffect, type PoolSignal, poolMachine } from "../../actors/pool/machine.ts";
import type { PoolState } from "../../actors/pool/state.ts";
import { planResume } from "../../protocol/position.ts";
import { JournalLost } from "../journal.ts";
import type { Timer } from "../ports.ts";
import type { Services } from "../services.ts";
import type { Child, Supervisor } from "../supervisor.ts";
import type { CoordinatorLink } from "./context.ts";
import { Coordinator } from "./coordinator.ts";
import { Desk, type DeskLink } from "./desk.ts";
import type { Directory, Known } from "./directory.ts";
import {
  type Answer,
  allSubject,
  coordinatorSubject,
  decodeMessage,
  encodeMessage,
  type FromNode,
  nodeSubject,
  type Question,
  questionSubject,
  type ToNode,
} from "./messages.ts";
import { Outbound } from "./outbound.ts";
import { PoolStore } from "./pool-store.ts";
import { poolView } from "./pool-view.ts";
import type { Scalers } from "./scaler.ts";
import { inParts } from "./work-parts.ts";

export type PoolParts = {
  readonly name: string;
  readonly services: Services;
  readonly supervisor: Supervisor;
  readonly directory: Directory;
  readonly scalers: Scalers;
};

/** Members tell within this what they have; a coordinator before, cut off, has noticed it by then. */
const gatherMs = 1_000;
const askMs = 2_000;
const lookAgainMs = 1_000;

export class Pool {
  readonly name: string;
  readonly desk: Desk;
  readonly #parts: PoolParts;
  readonly #services: Services;
  readonly #outbound: Outbound | undefined;
  readonly #actor: Child<PoolSignal>;
  readonly #stops: { stop(): void }[] = [];
  #coordinating: { stop(): void }[] = [];
  #coordinator: Coordinator | undefined;
  #again: Timer | undefined;
  #over = false;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#services = parts.services;
    const { node, ports } = parts.services;
    this.desk = new Desk(node, ports.clock, this.#deskLink());
    const { dial } = parts.scalers;
    this.#outbound = dial === undefined ? undefined : new Outbound(parts.services, this.desk, dial);
    const hear = ({ data }: { readonly data: Uint8Array }): void => {
      const message = decodeMessage<ToNode>(data);
      if (message !== undefined && !(message.type === "call" && message.node === node)) this.desk.hear(message);
    };
    this.#stops.push(ports.bus.subscribe(nodeSubject(this.name, node), hear));
    this.#stops.push(ports.bus.subscribe(allSubject(this.name), hear));
    const machine = poolMachine.provide({
      actions: { "perform effect": (_, effect: PoolEffect) => this.#perform(effect) },
    });
    const owner = { crashed: () => this.#letGo() };
    const input = { name: this.name, gatherMs };
    this.#actor = parts.supervisor.spawn(machine, { id: `pool:${this.name}`, input, owner });
  }

  /** Undefined: another node coordinates it, or none. */
  get coordinator(): Coordinator | undefined {
    return this.#coordinator;
  }
  /** Name of its state on this node. */
  get lifecycle(): string {
    return this.#actor.state;
  }

  /** Who coordinates it is known (better) now: is it to be claimed? */
  look(known: Known | undefined): void {
    if (this.#over) return;
    const { directory } = this.#parts;
    if (known?.deleted === true) return this.#deleted();
    if (this.#coordinator !== undefined) return;
    const delayMs = directory.claimDelayMs(this.name, known);
    if (delayMs === undefined) this.#actor.send({ type: "coordinator.found" });
    else this.#actor.send({ type: "coordinator.missing", delayMs });
  }

  /** Of the coordinator, wherever it is. Undefined: nobody answers. */
  async ask(question: Question): Promise<Answer | undefined> {
    if (this.#coordinator !== undefined) {
      const coordinator = this.#coordinator;
      try {
        if (question.type === "view") return { ok: true, view: poolView(coordinator) };
        const answer = await coordinator.answer(question);
        if (question.type === "delete" && answer.ok) await this.#parts.directory.deleted(this.name);
        if (question.type === "drain" && answer.ok) this.#actor.send({ type: "drain.began" });
        if (question.type === "resume" && answer.ok) this.#actor.send({ type: "drain.ended" });
        return answer;
      } catch (error) {
        if (!(error instanceof JournalLost)) throw error;
        this.#lost(error);
        return undefined;
      }
    }
    const { bus } = this.#services.ports;
    const reply = await bus.request(questionSubject(this.name), encodeMessage(question), { timeoutMs: askMs });
    return reply.ok ? decodeMessage<Answer>(reply.data) : undefined;
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#again?.cancel();
    for (const one of this.#stops) one.stop();
    this.desk.stop();
    const coordinator = this.#coordinator;
    const isReleased = await coordinator?.release("nodeStopping");
    this.#letGo();
    if (coordinator !== undefined && isReleased === true)
      this.#parts.directory.tell(this.name, { node: "", term: coordinator.term });
  }

  // --- what the statechart asks for ---

  #perform(effect: PoolEffect): void {
    switch (effect.type) {
      case "claim pool":
        return void this.#claim().catch((error: unknown) => this.#notClaimed(error));
      case "begin work":
        return this.#coordinator?.begin();
      case "let pool go":
        this.#letGo();
        return this.#lookAgain();
    }
  }

  async #claim(): Promise<void> {
    const { node, ports } = this.#services;
    const store = await PoolStore.open(this.#services, this.name);
    const before = store.state;
    const { directory } = this.#parts;
    const known = {
      node: before.node ?? "",
      term: before.term,
      deleted: before.status !== "active" && before.status !== "draining",
    };
    if (this.#over || known.deleted || directory.claimDelayMs(this.name, known) === undefined) {
      this.#actor.send({ type: "claim.refused" });
      return directory.learned(this.name, known);
    }
    await store.record({ type: "Claim", at: ports.clock.now(), node });
    await reposition(this.#services, store);
    if (this.#over) return store.stop();
    directory.tell(this.name, { node, term: store.state.term });
    const isShared = ports.log.info().shared;
    this.#coordinate(store);
    this.#actor.send({
      type: "claim.held",
      alone: !isShared || before.term === 0,
      draining: store.state.status === "draining",
    });
  }

  #coordinate(store: PoolStore): void {
    const { bus } = this.#services.ports;
    const coordinator = new Coordinator({
      name: this.name,
      services: this.#services,
      store,
      link: this.#coordinatorLink(),
      scalerOf: ({ by }) =>
        by === "process" ? this.#parts.scalers.process : by === "outbound" ? this.#outbound : undefined,
      events: {
        lost: (error) => this.#lost(error),
        finished: () => this.#actor.send({ type: "work.finished" }),
      },
    });
    this.#coordinator = coordinator;
    this.#coordinating = [
      bus.subscribe(coordinatorSubject(this.name), ({ data }) => {
        const message = decodeMessage<FromNode>(data);
        if (message !== undefined) coordinator.hear(message);
      }),
      bus.subscribe(questionSubject(this.name), ({ data, reply }) => {
        const question = decodeMessage<Question>(data);
        if (question === undefined || reply === undefined) return;
        void this.ask(question).then((answer) => {
          if (answer !== undefined) reply(encodeMessage(answer));
        });
      }),
    ];
    coordinator.call();
  }

  #notClaimed(error: unknown): void {
    const { logger } = this.#services.ports;
    if (!(error instanceof JournalLost))
      logger.log("warn", "pool not claimed", { pool: this.name, error: String(error) });
    this.#actor.send({ type: "claim.refused" });
    this.#lookAgain();
  }

  #lost(error: unknown): void {
    const { logger } = this.#services.ports;
    const isTaken = error instanceof JournalLost && error.because === "conflict";
    logger.log(isTaken ? "info" : "error", "pool let go", { pool: this.name, because: String(error) });
    this.#actor.send({ type: "coordinator.lost" });
  }

  #letGo(): void {
    for (const one of this.#coordinating.splice(0)) one.stop();
    this.#coordinator?.stop();
    this.#coordinator?.store.stop();
    this.#coordinator = undefined;
  }

  /** The journal says who has it. */
  #lookAgain(): void {
    if (this.#over) return;
    this.#again?.cancel();
    this.#again = this.#services.ports.clock.after(lookAgainMs, () => {
      void this.#parts.directory.reread(this.name).catch(() => this.#lookAgain());
    });
  }

  #deleted(): void {
    this.#over = true;
    this.#again?.cancel();
    this.#letGo();
    for (const one of this.#stops) one.stop();
    this.desk.endAll("poolDeleted");
    this.#actor.send({ type: "pool.deleted" });
  }

  // --- links ---

  #deskLink(): DeskLink {
    return {
      toCoordinator: (message) => {
        if (this.#coordinator !== undefined) this.#coordinator.hear(message);
        else this.#services.ports.bus.publish(coordinatorSubject(this.name), encodeMessage(message));
      },
      ask: (question) => this.ask(question),
    };
  }

  #coordinatorLink(): CoordinatorLink {
    const { node: self, ports } = this.#services;
    return {
      toNode: (node, message) => {
        if (node === self) return this.desk.hear(message);
        for (const part of inParts(message)) ports.bus.publish(nodeSubject(this.name, node), encodeMessage(part));
      },
      toAll: (message) => {
        this.desk.hear(message);
        ports.bus.publish(allSubject(this.name), encodeMessage(message));
      },
    };
  }
}

/** The log may not hold any more what the pool stands at, or be another one. */
async function reposition({ ports }: Services, store: PoolStore): Promise<void> {
  const { log, clock } = ports;
  const info = log.info();
  const lastSeq = Math.max(info.lastSeq, await log.end());
  const { epoch, upTo }: PoolState = store.state;
  const plan = planResume({ epoch, seq: upTo }, { ...info, lastSeq });
  const at = clock.now();
  if (plan.kind === "epochChanged")
    await store.record({ type: "Reposition", at, epoch: info.epoch, heldTo: 0, after: plan.first - 1 });
  else if (plan.kind === "ahead")
    await store.record({ type: "Reposition", at, epoch: info.epoch, heldTo: plan.last, after: plan.last });
  else if (epoch !== info.epoch)
    await store.record({ type: "Reposition", at, epoch: info.epoch, heldTo: upTo, after: upTo });
  if (plan.kind === "trimmed") await store.record({ type: "Trim", at, first: plan.first });
}
