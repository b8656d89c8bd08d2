/**
 * Plans which clients leave a node now, where each goes, and when.
 *
 * Pure. Owns: no target is sent more clients in a second than `perSecondMax`, each in a slot of its own; of several
 * targets the one with the fewest clients for its weight gets the next.
 * @module
 */

export type DrainTarget = {
  readonly node: string;
  readonly url: string;
  readonly weight: number;
  readonly connections: number;
};

export type PlannedMove<Client> = {
  readonly client: Client;
  readonly node: string;
  readonly url: string;
  /** From now. */
  readonly slotMs: number;
};

export type WaveBounds = {
  /** At each target. */
  readonly perSecondMax: number;
  /** The wave's slots lie within it; the next wave begins after it. */
  readonly waveMs: number;
};

/** As many clients as the targets may be sent in one wave, in the order in which they are given. */
export function planWave<Client>(
  clients: Iterable<Client>,
  targets: readonly DrainTarget[],
  { perSecondMax, waveMs }: WaveBounds,
): PlannedMove<Client>[] {
  const gapMs = 1_000 / perSecondMax;
  const open = targets
    .filter(({ weight }) => weight > 0)
    .map((target) => ({ target, sent: 0, places: Math.max(1, Math.floor(waveMs / gapMs)) }));
  const moves: PlannedMove<Client>[] = [];
  for (const client of clients) {
    let best: (typeof open)[number] | undefined;
    for (const one of open) if (one.sent < one.places && (best === undefined || fill(one) < fill(best))) best = one;
    if (best === undefined) break;
    const { node, url } = best.target;
    moves.push({ client, node, url, slotMs: Math.round(best.sent * gapMs) });
    best.sent++;
  }
  return moves;
}

function fill({ target, sent }: { readonly target: DrainTarget; readonly sent: number }): number {
  return (target.connections + sent + 1) / target.weight;
}
