/**
 * The client that the README shows runs as it stands, against a real gateway.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startRealGateway } from "./conformance/real-gateway.ts";

const root = join(import.meta.dir, "..");

test("the README's client prints its order, invoices it and ends", async () => {
  const readme = await Bun.file(join(root, "README.md")).text();
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  expect(code).toBeDefined();
  const gateway = await startRealGateway();
  // Beside the sources, so that "weir/client" is this package.
  const folder = mkdtempSync(join(root, "test", ".readme-"));
  try {
    const file = join(folder, "client.ts");
    writeFileSync(file, (code as string).replace("ws://127.0.0.1:8080", gateway.url));
    const child = Bun.spawn([process.execPath, file], { stdout: "pipe", stderr: "pipe" });
    const [out, problems, exit] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    expect({ out, problems, exit }).toEqual({ out: "1 orders.eu.42 {\n  total: 9,\n}\n", problems: "", exit: 0 });
  } finally {
    rmSync(folder, { recursive: true });
    await gateway.stop();
  }
});
