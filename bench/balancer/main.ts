/**
 * How many decisions the balancer makes: `bun bench/balancer/main.ts`. 100 nodes of different load, weight and place; a
 * report of all of them every 10 000 decisions, as beats bring it; one client in hand leaves for each that comes.
 *
 * @module
 */
import { type Algorithm, algorithms, createBalancer } from "../../src/actors/balancer/balancer.ts";
import type { Candidate } from "../../src/actors/balancer/candidate.ts";

const nodes = 100;
const rounds = 3;
const betweenReports = 10_000;
const forMs = 1_000;
const questions = 4_096;

/** Reproducible, and no part of what is measured. */
function pseudo(number: number): number {
  const x = Math.sin(number + 1) * 10_000;
  return x - Math.floor(x);
}

const candidates: readonly Candidate[] = Array.from({ length: nodes }, (_, number) => ({
  id: `node-${number}`,
  weight: 1 + (number % 3),
  connections: Math.floor(pseudo(number) * 1_000),
  responseMs: 1 + pseudo(number + 100) * 20,
  cpu: pseudo(number + 200),
  memory: pseudo(number + 300),
  location: { latitude: pseudo(number + 400) * 180 - 90, longitude: pseudo(number + 500) * 360 - 180 },
  startedAt: 0,
  healthy: number % 20 !== 0,
  ejected: number % 33 === 1,
}));
const asks = Array.from({ length: questions }, (_, number) => ({
  chance: pseudo(number + 600),
  key: `user-${number}`,
  location: { latitude: pseudo(number + 700) * 180 - 90, longitude: pseudo(number + 800) * 360 - 180 },
}));

function decisions(algorithm: Algorithm): { readonly perSecond: number; readonly perCpuSecond: number } {
  const balancer = createBalancer(algorithm, { slowStartMs: 10_000 });
  let count = 0;
  const before = process.cpuUsage();
  const from = performance.now();
  while (performance.now() - from < forMs) {
    balancer.update(candidates, count);
    for (let i = 0; i < betweenReports; i++) {
      const decision = balancer.pick(asks[count++ % questions] as (typeof asks)[number]);
      if (decision === undefined) throw new Error("Nobody was chosen");
      balancer.adjust(decision.id, -1);
    }
  }
  const { user, system } = process.cpuUsage(before);
  return {
    perSecond: (count * 1_000) / (performance.now() - from),
    perCpuSecond: (count * 1_000_000) / (user + system),
  };
}

console.log(`| rule | decisions/s over ${nodes} nodes, median of ${rounds} | per CPU second |\n|---|---|---|`);
for (const algorithm of algorithms) {
  decisions(algorithm); // warm
  const measured = Array.from({ length: rounds }, () => decisions(algorithm));
  const median = (of: (one: (typeof measured)[number]) => number): string =>
    Math.round(measured.map(of).sort((a, b) => a - b)[1] as number).toLocaleString("en");
  console.log(`| \`${algorithm}\` | ${median((one) => one.perSecond)} | ${median((one) => one.perCpuSecond)} |`);
}
