/**
 * A chart of one or more series over time. uPlot draws it; the figures are also there as text, for those who do not see
 * the picture.
 * @module
 */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { figure } from "./format.ts";

export type Line = { readonly label: string; readonly values: readonly (number | null)[] };
export type ChartProps = {
  readonly title: string;
  readonly unit: string;
  /** Milliseconds, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
};

const strokes = ["--accent", "--warn", "--bad"] as const;
const heightPx = 170;

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name);

function optionsOf({ unit, lines }: ChartProps, width: number): uPlot.Options {
  const axis = { stroke: () => colour("--dim"), grid: { stroke: () => colour("--line"), width: 1 } };
  return {
    width,
    height: heightPx,
    cursor: { points: { size: 6 } },
    legend: { show: lines.length > 1 },
    scales: { y: { range: (_, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 70, values: (_, ticks) => ticks.map((tick) => figure(tick, unit)) }],
    series: [
      {},
      ...lines.map(({ label }, index) => ({
        label,
        stroke: () => colour(strokes[index % strokes.length] ?? "--accent"),
        width: 1.5,
        points: { show: false },
        value: (_: uPlot, value: number | null) => (value === null ? "–" : figure(value, unit)),
      })),
    ],
  };
}

export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const { title, unit, times, lines } = props;
  const labels = lines.map(({ label }) => label).join("\n");
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(props, element.clientWidth), [[], ...lines.map(() => [])], element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: heightPx }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [labels, unit]);
  useEffect(() => {
    plot.current?.setData([times.map((time) => time / 1_000), ...lines.map(({ values }) => [...values])]);
  }, [times, lines]);
  const newest = lines.map(({ label, values }) => {
    const last = values.findLast((value) => value !== null);
    return `${label} ${last === undefined || last === null ? "not measured" : figure(last, unit)}`;
  });
  return (
    <section class="panel">
      <h2>{title}</h2>
      <div class="chart" ref={place} role="img" aria-label={`${title}: ${newest.join(", ")}`} />
    </section>
  );
}
