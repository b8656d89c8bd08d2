/**
 * Looks at a pool's load while it is coordinated here, journals how many members are wanted when that changes, and asks
 * whoever brings them.
 * @module
 */
import { type PoolLoad, Scaling } from "../../actors/pool/scaling.ts";
import type { PoolScaling } from "../../actors/pool/settings.ts";
import type { PoolContext } from "./context.ts";
import type { Scaler } from "./scaler.ts";

/** How the share of records that are the pool's follows what is read. */
const ratioWeight = 0.2;

export class Autoscaling {
  readonly #context: PoolContext;
  readonly #scalerOf: (settings: PoolScaling) => Scaler | undefined;
  #scaling: Scaling | undefined;
  #settings: PoolScaling | undefined;
  #asked: { readonly scaler: Scaler; readonly settings: PoolScaling } | undefined;
  /** Of the records of the log, so many are this pool's. */
  #ratio = 0;

  constructor(context: PoolContext, scalerOf: (settings: PoolScaling) => Scaler | undefined) {
    this.#context = context;
    this.#scalerOf = scalerOf;
  }

  /** So many of so many records of the log are the pool's. */
  read(matched: number, scanned: number): void {
    if (scanned > 0) this.#ratio += (Math.min(1, matched / scanned) - this.#ratio) * ratioWeight;
  }

  look(): void {
    const { settings, wanted } = this.#context.store.state;
    const { scaling } = settings;
    if (scaling === undefined || this.#context.store.state.status !== "active") return this.stop();
    if (this.#scaling === undefined) this.#scaling = new Scaling(scaling, wanted);
    else if (this.#settings !== scaling) this.#scaling.configure(scaling);
    this.#settings = scaling;
    const decided = this.#scaling.decide(this.#load(), this.#context.now());
    const to = this.#scaling.wanted;
    if (to !== wanted)
      this.#context.guard(this.#context.record({ type: "Scale", to, why: decided?.why ?? "min and max" }));
    this.#ask(scaling, to);
  }

  /** Nobody is wanted from here any more. */
  stop(): void {
    const asked = this.#asked;
    this.#asked = undefined;
    this.#scaling = undefined;
    asked?.scaler.want(this.#context.name, 0, asked.settings);
  }

  #ask(settings: PoolScaling, members: number): void {
    const scaler = this.#scalerOf(settings);
    if (this.#asked !== undefined && this.#asked.scaler !== scaler)
      this.#asked.scaler.want(this.#context.name, 0, this.#asked.settings);
    this.#asked = scaler === undefined ? undefined : { scaler, settings };
    scaler?.want(this.#context.name, members, settings);
  }

  #load(): PoolLoad {
    const { ledger, services } = this.#context;
    const now = this.#context.now();
    const behind = Math.max(0, services.hub.position - ledger.scannedTo);
    return {
      members: [...ledger.slots()].length,
      capacity: ledger.capacity,
      inFlight: ledger.inFlight,
      depth: ledger.waiting + Math.round(behind * this.#ratio),
      waitMs: Math.max(0, now - (ledger.oldest ?? now)),
    };
  }
}
