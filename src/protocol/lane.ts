/**
 * Priorities. A record travels in one of four lanes; order holds inside a lane.
 *
 * Pure.
 * @module
 */

/** 0 critical · 1 high · 2 normal · 3 low. Lower goes first. */
export type Lane = 0 | 1 | 2 | 3;
export const lanes = [0, 1, 2, 3] as const satisfies readonly Lane[];
export const laneNames = ["critical", "high", "normal", "low"] as const;
export type LaneName = (typeof laneNames)[number];
export const laneCount = lanes.length;
export const normalLane: Lane = 2;

export function isLane(value: unknown): value is Lane {
  return value === 0 || value === 1 || value === 2 || value === 3;
}
