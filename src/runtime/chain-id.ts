/**
 * How a node numbers its chains: a feed's number and a lane in one integer.
 *
 * Pure.
 * @module
 */
import type { ChainId } from "../protocol/ids.ts";
import { type Lane, laneCount } from "../protocol/lane.ts";

export function chainOf(feed: number, lane: Lane): ChainId {
  return feed * laneCount + lane;
}
export function laneOfChain(chain: ChainId): Lane {
  return (chain % laneCount) as Lane;
}
export function feedOfChain(chain: ChainId): number {
  return Math.floor(chain / laneCount);
}
