/**
 * The statecharts that the dashboard draws are those that run.
 * @module
 */
import { expect, test } from "bun:test";
import { type Statechart, statecharts } from "../../../src/ops/dashboard/statecharts.ts";
import { layout } from "../../../src/ops/dashboard/web/statechart-layout.ts";

const chartOf = (name: string): Statechart => {
  const chart = statecharts().find((one) => one.name === name);
  if (chart === undefined) throw new Error(`No statechart ${name}`);
  return chart;
};
const arrows = ({ transitions }: Statechart) => transitions.map(({ from, on, to }) => `${from} -${on}-> ${to}`);

test("statecharts() tells a session's states, deadlines and what every state takes", () => {
  const session = chartOf("session");
  expect(session.initial).toBe("detached");
  expect(session.states.filter(({ final }) => final).map(({ name }) => name)).toEqual(["expired", "closed"]);
  expect(arrows(session)).toEqual([
    "attached -connection.lost-> detached",
    "attached -session.closed-> closed",
    "detached -connection.attached-> attached",
    "detached -after resumeWindow-> expired",
    "detached -session.closed-> closed",
  ]);
});

test("statecharts() tells no arrow of a connection that a state does not take", () => {
  const drawn = arrows(chartOf("connection"));
  expect(drawn).toContain("open -socket.congested-> congested");
  expect(drawn).toContain("congested -after congestedDeadline-> draining");
  expect(drawn).toContain("open -close.asked-> draining");
  // A state that says otherwise is not overruled by the chart around it.
  expect(drawn.filter((arrow) => arrow.startsWith("draining -close.asked"))).toEqual([]);
  expect(drawn.filter((arrow) => arrow.startsWith("closed "))).toEqual([]);
});

test("statecharts() tells how a member of the cluster is seen", () => {
  const node = chartOf("node");
  expect(node.states.map(({ name }) => name)).toEqual([
    "joining",
    "healthy",
    "draining",
    "suspect",
    "unhealthy",
    "left",
  ]);
  expect(arrows(node)).toContain("healthy -node.silent-> suspect");
  expect(arrows(node)).toContain("unhealthy -node.forgotten-> left");
});

test("layout() gives every state a place of its own", () => {
  for (const chart of statecharts()) {
    const spots = [...layout(chart).values()].map(({ x, y }) => `${x},${y}`);
    expect(new Set(spots).size).toBe(chart.states.length);
  }
});
