/**
 * Hashes of keys, the same on every node and in every release: where a key belongs must not depend on who asks.
 * FNV-1a (Fowler, Noll, Vo) over UTF-16 units, finished as MurmurHash3 does (Appleby), which FNV alone needs: its high
 * bits hardly change with the last characters.
 *
 * Pure. Not for secrets: anybody can find keys that collide.
 * @module
 */

const offset = 0x811c9dc5;
const prime = 0x01000193;
/** 2³²: hashes are whole numbers below it. */
export const hashRange = 4_294_967_296;

export function hashOf(text: string): number {
  let bits = offset;
  for (let at = 0; at < text.length; at++) bits = Math.imul(bits ^ text.charCodeAt(at), prime);
  return finished(bits);
}

/** Of two hashes in this order. */
export function hashOfPair(a: number, b: number): number {
  return finished(Math.imul(a, prime) ^ b);
}

function finished(bits: number): number {
  let h = bits ^ (bits >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
