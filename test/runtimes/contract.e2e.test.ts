/** The transports of Deno and of Node keep the contract, played inside of them. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { ended, temporaryFolder } from "./hosted-gateway.ts";
import { others } from "./hosts.ts";

const timeoutMs = 120_000;
/** Far fewer would mean that the suite was not collected. */
const testsMin = 35;

for (const host of others) {
  const title = `the transport contract holds on ${host.name}${host.missing === undefined ? "" : ` (skipped: ${host.missing})`}`;
  test.skipIf(host.missing !== undefined)(
    title,
    async () => {
      using folder = temporaryFolder();
      const command = await host.script("contract-main.ts", join(folder.path, "script"));
      const { exitCode, stdout, stderr } = await ended(command);
      const lines = stdout.split("\n");
      const notOk = lines.filter((line) => line.startsWith("not ok"));
      expect({ exitCode, notOk, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, notOk: [], stderr: "" });
      expect(Number(/^(\d+) passed, 0 failed$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(testsMin);
    },
    timeoutMs,
  );
}
