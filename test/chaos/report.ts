/**
 * What a run of faults did, in numbers and as a page.
 * @module
 */
import type { Evidence, Violation } from "../sim/evidence.ts";
import type { Owners } from "./owners.ts";

export type Run = {
  readonly seed: number;
  readonly from: number;
  readonly seconds: number;
  /** By kind. */
  readonly faults: ReadonlyMap<string, number>;
  readonly evidence: Evidence;
  readonly owners: Owners;
  readonly violations: readonly Violation[];
  readonly versions: Readonly<Record<string, string>>;
};

type Counts = {
  readonly called: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly stored: number;
  readonly storedTwice: number;
  readonly committed: number;
  readonly transactions: number;
};

export function countsOf({ log, publishes, transactions }: Evidence): Counts {
  const stored = new Map<string, number>();
  for (const { key, topic } of log) if (!topic.startsWith("$")) stored.set(key, (stored.get(key) ?? 0) + 1);
  // A transaction is acknowledged as a whole.
  const acknowledged = [...publishes.values()].filter(
    ({ outcome, transaction = "" }) =>
      outcome === "acknowledged" || transactions.get(transaction)?.outcome === "committed",
  );
  return {
    called: publishes.size,
    acknowledged: acknowledged.length,
    lost: acknowledged.filter(({ key }) => !stored.has(key)).length,
    stored: log.length,
    storedTwice: [...stored.values()].filter((count) => count > 1).length,
    committed: [...transactions.values()].filter(({ outcome }) => outcome === "committed").length,
    transactions: transactions.size,
  };
}

export function reportOf(run: Run): string {
  const { called, acknowledged, lost, stored, storedTwice, committed, transactions } = countsOf(run.evidence);
  const total = [...run.faults.values()].reduce((sum, count) => sum + count, 0);
  const faults = [...run.faults].sort(([a], [b]) => a.localeCompare(b));
  const { sessions, moves } = run.owners;
  return `
${total} faults (seed ${run.seed}, from fault ${run.from + 1} of its order) in ${run.seconds} s; ${Object.entries(
    run.versions,
  )
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}

| fault | times |
|---|---:|
${faults.map(([kind, count]) => `| ${kind} | ${count} |`).join("\n")}

| what | records |
|---|---:|
| published (called) | ${called} |
| acknowledged to their publishers | ${acknowledged} |
| acknowledged and not in the log | ${lost} |
| in the log | ${stored} |
| in the log more than once | ${storedTwice} |
| transactions of the writer, of them told committed | ${transactions}, ${committed} |

| subscriber | filter | QoS | processed | of them again |
|---|---|---:|---:|---:|
${run.evidence.subscribers
  .map(({ name, filter, qos, processed }) => {
    const again = processed.length - new Set(processed.map(({ seq }) => seq)).size;
    return `| ${name} | \`${filter}\` | ${qos} | ${processed.length} | ${again} |`;
  })
  .join("\n")}

${sessions} sessions were attached to another gateway process ${moves} times. Violations found by the checkers: ${run.violations.length}.
`;
}
