/**
 * What whoever asks a balancer tells of itself.
 *
 * Types only.
 * @module
 */
import type { Location } from "./candidate.ts";

export type Ask = {
  /** Uniform in [0, 1), another one for each question. */
  readonly chance: number;
  /** An address, a session, a user, what work belongs to: the same key goes to the same one, where the rule says so. */
  readonly key?: string;
  readonly location?: Location;
  /** Those that were tried in vain, by id. */
  readonly except?: ReadonlySet<string>;
};
