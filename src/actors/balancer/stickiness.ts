/**
 * Who has a key: remembered for rules that would choose anew each time. A key stays where it is for as long as that one can
 * be chosen, whoever else comes and goes.
 *
 * Pure. Bounded: of more than `keysMax` keys the one not asked for the longest is forgotten, and is chosen anew.
 * @module
 */

export class Stickiness {
  readonly #keysMax: number;
  /** Newest last. */
  readonly #ids = new Map<string, string>();

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#ids.size;
  }

  idOf(key: string): string | undefined {
    return this.#ids.get(key);
  }

  keep(key: string, id: string): void {
    this.#ids.delete(key);
    this.#ids.set(key, id);
    const oldest = this.#ids.keys().next();
    if (this.#ids.size > this.#keysMax && oldest.done !== true) this.#ids.delete(oldest.value);
  }
}
