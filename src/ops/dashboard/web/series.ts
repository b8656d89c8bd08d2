/**
 * What a chart shows: the history of its metrics, and behind it what the stream of summaries has told since.
 * @module
 */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { NodeView } from "../../../runtime/inspection.ts";
import type { Alert } from "../../rest/alerts.ts";
import type { MetricDescription, MetricSeries } from "../../telemetry/metrics-history.ts";
import { get } from "./api.ts";
import type { Line } from "./chart.tsx";

/** `GET /api/v1/network/dashboard/summary`, the part that is shown. */
export type Summary = {
  readonly at: number;
  readonly node: NodeView;
  readonly savings: { readonly sharedEncoding: Readonly<Record<string, number>> };
  readonly alerts: readonly Alert[];
  /** The newest second of each metric. */
  readonly metrics: Readonly<Record<string, number>>;
};

export const reaches = [
  { name: "5 minutes", ms: 300_000, stepMs: 1_000 },
  { name: "1 hour", ms: 3_600_000, stepMs: 10_000 },
  { name: "6 hours", ms: 21_600_000, stepMs: 60_000 },
  { name: "24 hours", ms: 86_400_000, stepMs: 60_000 },
] as const;
export type Reach = (typeof reaches)[number];

type Point = { readonly time: number; readonly values: readonly (number | null)[] };

const againMs = 60_000;

export function useSeries(metrics: readonly MetricDescription[], reach: Reach, summary: Summary | undefined) {
  const names = metrics.map(({ name }) => name).join(",");
  const [held, setHeld] = useState<readonly Point[]>([]);
  useEffect(() => {
    let gone = false;
    const load = async (): Promise<void> => {
      const asked = new URLSearchParams({ from: String(Date.now() - reach.ms), stepMs: String(reach.stepMs) });
      const series = await Promise.all(
        names.split(",").map((name) => get<MetricSeries>(`/api/v1/metrics/${encodeURIComponent(name)}?${asked}`)),
      );
      if (!gone) setHeld(joined(series));
    };
    // What fails once is asked again; the stream beside it says that the gateway is away.
    const again = (): void => void load().catch(() => undefined);
    again();
    const timer = setInterval(again, againMs);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [names, reach]);
  useEffect(() => {
    if (summary === undefined || reach.stepMs > 1_000) return;
    const values = names.split(",").map((name) => summary.metrics[name] ?? null);
    setHeld((before) =>
      [...before.filter(({ time }) => time < summary.at), { time: summary.at, values }].slice(-reach.ms / 1_000),
    );
  }, [summary, names, reach]);
  return useMemo(() => {
    const lines: Line[] = metrics.map(({ name }, index) => ({
      label: name,
      values: held.map(({ values }) => values[index] ?? null),
    }));
    return { times: held.map(({ time }) => time), lines };
  }, [held, names]);
}

/** One row for each moment at which any of them was measured. */
function joined(series: readonly MetricSeries[]): readonly Point[] {
  const rows = new Map<number, (number | null)[]>();
  series.forEach(({ points }, index) => {
    for (const { time, mean } of points) {
      const row = rows.get(time) ?? series.map(() => null);
      row[index] = mean;
      rows.set(time, row);
    }
  });
  return [...rows].map(([time, values]) => ({ time, values })).sort((a, b) => a.time - b.time);
}
