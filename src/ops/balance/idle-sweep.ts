/**
 * Ends what has been silent for too long, with one timer for all: whoever is active notes the number of the sweep, which
 * costs the path of the bytes one assignment and no question to the clock.
 * @module
 */
import type { Clock, Timer } from "../../runtime/ports.ts";

export type Sweepable = {
  /** Number of the sweep in which something went through last. */
  activeAt: number;
  /** It was silent for at least the idle time, and less than a quarter of it longer. */
  idle(): void;
};

const sweepsPerIdleTime = 4;

export class IdleSweep {
  /** Number of the sweep that comes next. */
  number = 0;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #members = new Set<Sweepable>();
  #timer: Timer | undefined;

  constructor(clock: Clock, idleMs: number) {
    this.#clock = clock;
    this.#everyMs = idleMs / sweepsPerIdleTime;
  }

  add(member: Sweepable): void {
    member.activeAt = this.number;
    this.#members.add(member);
    this.#timer ??= this.#clock.after(this.#everyMs, () => this.#sweep());
  }
  remove(member: Sweepable): void {
    this.#members.delete(member);
  }
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#members.clear();
  }

  #sweep(): void {
    this.number++;
    this.#timer = undefined;
    for (const member of this.#members) {
      if (this.number - member.activeAt <= sweepsPerIdleTime) continue;
      this.#members.delete(member);
      member.idle();
    }
    if (this.#members.size > 0) this.#timer ??= this.#clock.after(this.#everyMs, () => this.#sweep());
  }
}
