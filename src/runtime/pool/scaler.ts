/**
 * What brings members to a pool and lets them go again. How many are wanted is decided by the pool's coordinator; one that
 * lets go of the pool wants none any more, the next one says what it wants.
 *
 * Types only.
 * @module
 */
import type { PoolScaling } from "../../actors/pool/settings.ts";
import type { Dial } from "./dial.ts";

export type Scaler = {
  /** From now on; the same again is no news. 0: none, now or because another node has the pool. */
  want(pool: string, members: number, settings: PoolScaling): void;
};
/** What this node can do beside telling the number. */
export type Scalers = {
  /** Starts and stops commands on this machine. Absent: pools that ask for it are only told of. */
  readonly process?: Scaler;
  /** Opens connections to workers. The same. */
  readonly dial?: Dial;
};
