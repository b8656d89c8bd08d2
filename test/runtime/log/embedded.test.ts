/**
 * The embedded log keeps the contract, at its usual pace and with an index that is written at every chance.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedLog } from "../../../src/runtime/log/embedded/mod.ts";
import { systemRandom } from "../../../src/runtime/system.ts";
import { eventLogContract, type OpenLog } from "../../contract/event-log.ts";
import { ManualClock } from "./manual-clock.ts";

function opener(lagRecords: number): OpenLog {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), "weir-log-test-"));
    const clock = new ManualClock();
    const open = () => openEmbeddedLog(directory, { clock, random: systemRandom(), lagRecords });
    let log = await open();
    return {
      log,
      reopen: async () => {
        await log.close();
        log = await open();
        return log;
      },
      advance: (ms) => clock.advance(ms),
      dispose: async () => {
        await log.close();
        rmSync(directory, { recursive: true });
      },
    };
  };
}

eventLogContract("embedded", opener(8_192));
eventLogContract("embedded, index written at once", opener(1));
