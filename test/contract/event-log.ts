/**
 * What every event log does, whatever it is made of. An adapter's own test runs this and adds what is special to it.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { appendContract } from "./event-log-append.ts";
import { type OpenLog, useLog } from "./event-log-fixture.ts";
import { eventLogModel } from "./event-log-model.ts";
import { readContract } from "./event-log-read.ts";
import { noStepsContract, stepsContract } from "./event-log-steps.ts";
import { tablesContract } from "./event-log-tables.ts";

export type { OpenLog } from "./event-log-fixture.ts";

export type ContractOptions = {
  /** Fewer where each run costs a server something. */
  readonly modelRuns?: number;
  /** False: what stands behind the log cannot store several things in one step, and refuses it. */
  readonly transactions?: boolean;
};

export function eventLogContract(name: string, open: OpenLog, options: ContractOptions = {}): void {
  const { modelRuns = 40, transactions = true } = options;
  describe(name, () => {
    const at = useLog(open);
    appendContract(at);
    if (transactions) stepsContract(at);
    else noStepsContract(at);
    readContract(at);
    tablesContract(at);
    test("info() says whether it has transactions", () => expect(at.log.info().transactions).toBe(transactions));
  });
  describe(name, () => eventLogModel(open, modelRuns));
}
