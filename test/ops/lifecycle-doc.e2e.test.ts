/**
 * The service of docs/lifecycle.md, run as it stands there, beside a gateway on NATS.
 * @module
 */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/client/mod.ts";
import { lifecycleEvents } from "../../src/runtime/lifecycle/fact.ts";
import { describeOnNats, natsLines } from "../support/nats-binary.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { serveWeir } from "../support/weir-command.ts";

const doc = readFileSync(join(import.meta.dir, "../../docs/lifecycle.md"), "utf8");

/** Lines of its output, as they come. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

for (const line of natsLines) {
  await describeOnNats(line, "the service of docs/lifecycle.md", () => {
    test("is told of a session from its first entry to its end", async () => {
      await using server = await startNatsServer({ line });
      await using gateway = await serveWeir(["--log", server.url, "--lifecycle.events", lifecycleEvents.join(",")]);
      // In here, so that it finds the libraries that it names.
      const folder = mkdtempSync(join(import.meta.dir, "service-"));
      const [, source = ""] = /```js\n([\s\S]*?)```/.exec(doc) ?? [];
      const path = join(folder, "service.mjs");
      writeFileSync(path, source);
      const service = Bun.spawn([process.execPath, path], {
        env: { PATH: process.env.PATH, NATS_URL: server.url },
        stdout: "pipe",
        stderr: "inherit",
      });
      try {
        const client = connect(gateway.url, { resumeWindowMs: 100 });
        const subscription = client.subscribe("t", () => undefined);
        await subscription.ready;
        await subscription.unsubscribe();
        await client.close();
        const told: string[] = [];
        for await (const text of linesOf(service.stdout)) {
          told.push(text.replace(/ \(.*\)$/, ""));
          if (text.startsWith("expired")) break;
        }
        const events = ["opened", "attached", "subscribed", "unsubscribed", "detached", "expired"];
        expect(told).toEqual(events.map((event) => `${event} somebody`));
      } finally {
        service.kill("SIGKILL");
        await service.exited;
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });
}
