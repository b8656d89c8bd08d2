/**
 * A statechart as a picture, with the state marked in which the actor is.
 * @module
 */
import type { Statechart as Chart } from "../statecharts.ts";
import { arrow, box, layout, type Spot } from "./statechart-layout.ts";

export function Statechart({ chart, current }: { readonly chart: Chart; readonly current: string }) {
  const spots = layout(chart);
  const all = [...spots.values()];
  const width = Math.max(...all.map(({ x }) => x)) + 70;
  const height = Math.max(...all.map(({ y }) => y)) + 50;
  const names = chart.states.map(({ name }) => name).join(", ");
  return (
    <svg
      class="statechart"
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`Statechart ${chart.name}: ${names}; now ${current}`}
    >
      <title>{`${chart.name}: ${current}`}</title>
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0,0 L8,4 L0,8" />
        </marker>
      </defs>
      {chart.transitions.map(({ from, to, on }) => {
        const [a, b] = [spots.get(from), spots.get(to)];
        if (a === undefined || b === undefined) return null;
        const { path, middle } = arrow(a, b);
        return (
          <g key={`${from} ${on}`}>
            <path d={path} marker-end="url(#arrow)" />
            <text class="on" x={middle.x} y={middle.y}>
              {on}
            </text>
          </g>
        );
      })}
      {chart.states.map(({ name, final }) => {
        const spot = spots.get(name) as Spot;
        return (
          <g key={name} class={name === current ? "current" : ""} transform={`translate(${spot.x},${spot.y})`}>
            <rect
              x={-box.width / 2}
              y={-box.height / 2}
              width={box.width}
              height={box.height}
              rx={final ? 2 : 14}
              stroke-width={final ? 3 : 1}
            />
            <text y="4">{name}</text>
          </g>
        );
      })}
    </svg>
  );
}
