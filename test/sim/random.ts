/**
 * Seeded chance for the simulator: one seed, many independent streams. A stream is named, so that drawing
 * more often from one (a new fault, say) does not shift what the others draw.
 *
 * Pure: sfc32, seeded by hashing the name.
 * @module
 */

export type Chance = {
  /** Uniform in [0, 1). */
  next(): number;
  /** Integer in [min, max]. */
  int(min: number, max: number): number;
  /** True with this probability. */
  hit(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Base64url of so many bytes. */
  token(bytes: number): string;
  /** Another stream, independent of how often this one was drawn from. */
  fork(name: string): Chance;
};

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function chanceFrom(seed: number | string): Chance {
  const name = String(seed);
  const next = sfc32(name);
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    int,
    hit: (probability) => next() < probability,
    pick: (items) => items[int(0, items.length - 1)] as (typeof items)[number],
    token: (bytes) => Array.from({ length: Math.ceil((bytes * 8) / 6) }, () => alphabet[int(0, 63)]).join(""),
    fork: (child) => chanceFrom(`${name}/${child}`),
  };
}

/** FNV-1a over the characters; also the simulator's trace hash. */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function sfc32(name: string): () => number {
  let a = hashText(name);
  let b = hashText(name, a ^ 0x9e3779b9);
  let c = hashText(name, b ^ 0x85ebca6b);
  let d = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}
