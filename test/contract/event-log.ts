/**
 * What every event log does, whatever it is made of. An adapter's own test runs this and adds what is special to it.
 * @module
 */
import { describe } from "bun:test";
import { appendContract } from "./event-log-append.ts";
import { type OpenLog, useLog } from "./event-log-fixture.ts";
import { eventLogModel } from "./event-log-model.ts";
import { readContract } from "./event-log-read.ts";
import { tablesContract } from "./event-log-tables.ts";

export type { OpenLog } from "./event-log-fixture.ts";

export function eventLogContract(name: string, open: OpenLog): void {
  describe(name, () => {
    const at = useLog(open);
    appendContract(at);
    readContract(at);
    tablesContract(at);
  });
  describe(name, () => eventLogModel(open));
}
