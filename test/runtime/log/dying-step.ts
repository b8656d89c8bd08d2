/**
 * A process that does a step and dies by SIGKILL when it is decided, before its journal is written.
 *
 * `bun dying-step.ts <url of NATS> <name of the log>`; the session is "s", its journal ends at 1.
 * @module
 */
import { JetStreamJournals } from "../../../src/runtime/log/jetstream/journals.ts";
import { openLog } from "./jetstream-load.ts";
import { newRecord } from "./new-record.ts";

const [url = "", name = ""] = process.argv.slice(2);

JetStreamJournals.prototype.appendDecided = () => {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => undefined);
};

const log = await openLog([url], name);
await log.append({
  records: [newRecord("a", "1"), newRecord("b", "1")],
  once: { producer: "s", key: "1" },
  journal: { key: { kind: "session", id: "s" }, expected: 1, entries: [new TextEncoder().encode("decided")] },
});
