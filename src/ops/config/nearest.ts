/**
 * Which known name somebody meant who wrote one that is not known: the whole of it misspelt, or only its last part given.
 *
 * Pure.
 * @module
 */

/** Undefined: none is like it. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const [wanted, last] = forms(name);
  let best: { readonly name: string; readonly cost: number } | undefined;
  for (const candidate of known) {
    const [whole, tail] = forms(candidate);
    const cost = Math.min(share(wanted, whole), share(last, tail) + tailCost);
    if (cost < (best?.cost ?? unlike)) best = { name: candidate, cost };
  }
  return best?.name;
}

/** `did you mean port? Expected one of: …`, to go on a sentence with. `others`: not listed, and may be meant. */
export function expected(name: string, listed: readonly string[], others: Iterable<string> = []): string {
  const meant = nearest(name, [...listed, ...others]);
  const list = `one of: ${listed.join(", ")}`;
  return meant === undefined || listed.length === 1 ? `expected ${list}` : `did you mean ${meant}? Expected ${list}`;
}

/** Of the letters that were written, a third may differ. */
const unlike = 0.35;
/** Of two that fit as well, the one that was written in full. */
const tailCost = 0.01;

function share(a: string, b: string): number {
  return distance(a, b) / Math.max(1, a.length);
}

/** `websocket.limits.maxDeliver` and `WEIR_WEBSOCKET__LIMITS__MAX_DELIVER`, whole and their last part. */
function forms(name: string): readonly [whole: string, last: string] {
  const whole = name.replace(/^(?:WEIR_|--)/, "").toLowerCase();
  return [whole, whole.split(/\.|__/).at(-1) ?? whole];
}

/** Edit distance, one row at a time; two letters that changed places are one edit. */
function distance(a: string, b: string): number {
  let before: readonly number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwap ? (before[j - 2] as number) + 1 : Number.POSITIVE_INFINITY;
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
