/**
 * What a node measured in the last 24 hours, as REST and the dashboard see it.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export type MetricDescription = {
  readonly name: string;
  /** connections, records/s, bytes/s, s, bytes, ratio … */
  readonly unit: string;
  readonly text: string;
};

/** What was measured in [time, time + stepMs). */
export type MetricPoint = {
  readonly time: EpochMs;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
};

export type MetricSeries = {
  readonly metric: string;
  readonly unit: string;
  /** Distance of two points. */
  readonly stepMs: number;
  /** Ascending. A step in which nothing was measured (the gateway stood still, or did not run) has none. */
  readonly points: readonly MetricPoint[];
};

export type MetricsQuery = {
  readonly metric: string;
  /** Inclusive. Default: as far back as the steps go. */
  readonly from?: EpochMs;
  /** Exclusive. Default: now. */
  readonly to?: EpochMs;
  /** Wanted distance of points, at least 1 000; becomes a multiple of 1 s, 10 s or 1 min. Default: the finest that reaches back to `from`. */
  readonly stepMs?: number;
};

export type MetricsHistory = {
  metrics(): readonly MetricDescription[];
  /** Undefined: there is no such metric. */
  query(query: MetricsQuery): MetricSeries | undefined;
};
