/**
 * Settings that two gateways on one log on NATS share: real processes, changed over REST at one of them.
 */
import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { msgpackCodec } from "../../../src/protocol/codec-msgpack.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { World } from "../../conformance/world.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { type ServingGateway, serveWeir } from "../../support/weir-command.ts";

const slowMs = 90_000;
const key = "key-of-ada";

async function change({ http }: ServingGateway, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${http}/admin/config`, {
    method: "PATCH",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ settings }),
  });
  if (!response.ok) throw new Error(await response.text());
}

for (const line of natsLines) {
  await describeOnNats(line, "settings changed at run time", () => {
    test(
      "hold at every gateway on the log without a lost connection, survive a restart, and end when they are taken back",
      async () => {
        const directory = await mkdtemp(join(tmpdir(), "weir-settings-"));
        const config = join(directory, "weir.yaml");
        await writeFile(config, `security: { apiKeys: ["ada:admin:${keyDigest(key)}"] }`);
        await using server = await startNatsServer({ line });
        const start = ["--log", server.url, "--log-level", "info", "--config", config];
        await using one = await serveWeir(start);
        const two = await serveWeir(start);
        const world = (gateway: { readonly url: string }) =>
          new World({ url: gateway.url, codec: msgpackCodec, handshakeMs: limits.handshakeMs, waitMs: 10_000 });
        const stays = await world(two).open();

        await change(one, { "websocket.limits.publishCreditRecords": 7 });
        expect(await two.line("configuration changed")).toMatchObject({ because: "another gateway" });
        expect((await world(one).open()).welcome.credit.records).toBe(7);
        expect((await world(two).open()).welcome.credit.records).toBe(7);
        await stays.peer.fence();

        await two[Symbol.asyncDispose]();
        await using three = await serveWeir(start);
        expect((await world(three).open()).welcome.credit.records).toBe(7);
        await change(one, { "websocket.limits.publishCreditRecords": null });
        await three.line("configuration changed");
        expect((await world(three).open()).welcome.credit.records).toBe(limits.publishCreditRecords);
        await rm(directory, { recursive: true, force: true });
      },
      slowMs,
    );
  });
}
