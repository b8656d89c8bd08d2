/**
 * Where the states and arrows of a statechart are drawn.
 *
 * Pure.
 * @module
 */
import type { Statechart } from "../statecharts.ts";

export const box = { width: 104, height: 30 } as const;
const step = { x: 215, y: 90 } as const;

export type Spot = { readonly x: number; readonly y: number };

/** Columns by distance from the first state, ends last, so that most arrows run to the right. */
export function layout(chart: Statechart): ReadonlyMap<string, Spot> {
  const depths = new Map([[chart.initial, 0]]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { from, to } of chart.transitions) {
      const depth = depths.get(from);
      if (depth === undefined || depths.has(to)) continue;
      depths.set(to, depth + 1);
      grown = true;
    }
  }
  const last = Math.max(...depths.values());
  const rows = new Map<number, number>();
  return new Map(
    chart.states.map(({ name, final }) => {
      const column = final ? last + 1 : (depths.get(name) ?? 0);
      const row = rows.get(column) ?? 0;
      rows.set(column, row + 1);
      return [name, { x: 70 + column * step.x, y: 50 + row * step.y + (column % 2) * 45 }];
    }),
  );
}

/** Opposite arrows bend to different sides. */
export function arrow(from: Spot, to: Spot): { readonly path: string; readonly middle: Spot } {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const bend = { x: (-dy / length) * 26, y: (dx / length) * 26 };
  const middle = { x: (from.x + to.x) / 2 + bend.x, y: (from.y + to.y) / 2 + bend.y };
  const edge = (at: Spot, towards: Spot): Spot => {
    const [ex, ey] = [towards.x - at.x, towards.y - at.y];
    const scale = Math.min(box.width / 2 / Math.abs(ex || 1), (box.height / 2 + 3) / Math.abs(ey || 1));
    return { x: at.x + ex * Math.min(1, scale), y: at.y + ey * Math.min(1, scale) };
  };
  const [start, end] = [edge(from, middle), edge(to, middle)];
  const onCurve = { x: (start.x + 2 * middle.x + end.x) / 4, y: (start.y + 2 * middle.y + end.y) / 4 };
  return { path: `M${start.x},${start.y} Q${middle.x},${middle.y} ${end.x},${end.y}`, middle: onCurve };
}
