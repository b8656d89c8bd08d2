/**
 * A process that appends until it is killed. It prints a number only once its append is acknowledged.
 *
 * Arguments: directory. Output, one a line: `ready <pid>`, then `<number> <seq>` for each acknowledged append; or
 * `refused <code> <message>` when the log cannot be opened.
 * @module
 */
import { writeSync } from "node:fs";
import { openEmbeddedLog } from "../../../src/runtime/log/embedded/mod.ts";
import { LogOpenError } from "../../../src/runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { newRecord } from "./new-record.ts";

const [directory = ""] = process.argv.slice(2);
const print = (line: string): void => void writeSync(1, `${line}\n`);

try {
  const log = await openEmbeddedLog(directory, { clock: systemClock(), random: systemRandom(), lagRecords: 64 });
  let number = (await log.producerMark("writer")) ?? 0;
  print(`ready ${process.pid}`);
  const appendNext = async (): Promise<void> => {
    const after = number++;
    const mine = number;
    const numbered = { producer: "writer", after, numbers: [mine] };
    const result = await log.append({ records: [newRecord(`t.${mine % 5}`, String(mine))], numbered });
    if (!result.ok) throw new Error(result.message);
    print(`${mine} ${result.seqs[0]}`);
  };
  const lane = async (): Promise<void> => {
    for (;;) await appendNext();
  };
  await Promise.all(Array.from({ length: 20 }, lane));
} catch (cause) {
  if (!(cause instanceof LogOpenError)) throw cause;
  print(`refused ${cause.code} ${cause.message}`);
}
