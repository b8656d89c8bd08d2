/** A gateway on Deno and one on Node pass the whole conformance suite, in every codec, as a stranger would run it. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { codecs } from "../../src/protocol/codecs.ts";
import { cases } from "../conformance/suite.ts";
import { ended, HostedGateway } from "./hosted-gateway.ts";
import { others, root } from "./hosts.ts";

const timeoutMs = 180_000;
/** As the case about it waits that long, in each codec. */
const handshakeMs = "1000";

for (const host of others) {
  const title = `a gateway on ${host.name} passes the conformance suite${host.missing === undefined ? "" : ` (skipped: ${host.missing})`}`;
  test.skipIf(host.missing !== undefined)(
    title,
    async () => {
      const options = ["--log", "memory:", `--limits.handshakeMs=${handshakeMs}`];
      await using gateway = await HostedGateway.start(await host.weir(), options);
      const suite = [process.execPath, join(root, "test/conformance/main.ts"), gateway.url];
      const { exitCode, stdout, stderr } = await ended([...suite, "--handshake-ms", handshakeMs]);
      const notOk = stdout.split("\n").filter((line) => line.startsWith("not ok"));
      expect({ exitCode, notOk, stderr }).toEqual({ exitCode: 0, notOk: [], stderr: "" });
      expect(stdout).toContain(`1..${cases.length * Object.keys(codecs).length}\n`);
      expect(await gateway.stop()).toBe(0);
    },
    timeoutMs,
  );
}
