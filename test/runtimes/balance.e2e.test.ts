/** `weir balance` on Deno and on Node: their byte sockets keep the contract, played inside of them, and the command serves. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { joinedOver } from "../ops/balance/stage.ts";
import { servePeers } from "../support/tcp-peer.ts";
import { ended, temporaryFolder } from "./hosted-gateway.ts";
import { others } from "./hosts.ts";

const timeoutMs = 120_000;
/** Far fewer would mean that the suite was not collected. */
const testsMin = 20;

for (const host of others) {
  const skipped = host.missing === undefined ? "" : ` (skipped: ${host.missing})`;
  test.skipIf(host.missing !== undefined)(
    `the contract of byte sockets holds on ${host.name}${skipped}`,
    async () => {
      using folder = temporaryFolder();
      const command = await host.script("sockets-main.ts", join(folder.path, "script"));
      const { exitCode, stdout, stderr } = await ended(command);
      const notOk = stdout.split("\n").filter((line) => line.startsWith("not ok"));
      expect({ exitCode, notOk, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, notOk: [], stderr: "" });
      expect(Number(/^(\d+) passed, 0 failed$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(testsMin);
    },
    timeoutMs,
  );

  test.skipIf(host.missing !== undefined)(
    `weir balance passes an upgraded connection through on ${host.name}, and shows its backend${skipped}`,
    async () => {
      await using backend = await servePeers();
      const words = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--health", "off", "--stop-timeout", "0s"];
      const command = [...(await host.weir()), "balance", ...words, "--backend", `ws://127.0.0.1:${backend.port}`];
      const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
      try {
        const [port, admin] = await ports(child.stdout);
        const { client, peer } = await joinedOver(port, backend);
        const bytes = Buffer.alloc(3_000_000, "weir");
        client.write(bytes);
        await peer.until(() => peer.received.byteLength === bytes.byteLength, "all has come");
        expect(peer.received.equals(bytes)).toBe(true);
        peer.write("goodbye");
        peer.end();
        await client.until(() => client.ended, "the end");
        expect(client.text).toBe("goodbye");
        expect(await (await fetch(`http://127.0.0.1:${admin}/backends`)).json()).toMatchObject({
          items: [{ opened: 1 }],
        });
        child.kill("SIGTERM");
        expect(await child.exited).toBe(0);
      } finally {
        child.kill("SIGKILL");
      }
    },
    timeoutMs,
  );
}

/** Where it listens, and its admin port. */
async function ports(stdout: ReadableStream<Uint8Array>): Promise<readonly [number, number]> {
  let out = "";
  for await (const part of stdout) {
    out += new TextDecoder().decode(part);
    const [, port, admin] = /balances ws:\/\/127\.0\.0\.1:(\d+)[\s\S]*http:\/\/127\.0\.0\.1:(\d+)\//.exec(out) ?? [];
    if (admin !== undefined) return [Number(port), Number(admin)];
  }
  throw new Error(`The proxy ended: ${out}`);
}
