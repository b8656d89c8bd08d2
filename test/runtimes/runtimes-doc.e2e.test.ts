/** The table of docs/runtimes.md is what gateways do that run on this machine. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasOpenssl, selfSigned } from "../support/self-signed.ts";
import { ended, HostedGateway, temporaryFolder } from "./hosted-gateway.ts";
import { denoPermissions, type Host, hosts, root } from "./hosts.ts";
import { probePlain, probeTls } from "./probe-outside.ts";

const timeoutMs = 60_000;
const document = await Bun.file(join(root, "docs/runtimes.md")).text();

/** Cells by row of the first table, of the column whose heading starts with this name. */
function tableOf(name: string): Record<string, string> {
  const lines = document.split("\n\n").find((part) => part.startsWith("|")) ?? "";
  const rows = lines.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const column = rows[0]?.findIndex((heading) => heading.startsWith(name)) ?? -1;
  return Object.fromEntries(rows.slice(2).map((cells) => [cells[1], cells[column]]));
}

async function facts(host: Host, folder: string): Promise<Record<string, string>> {
  const weir = await host.weir();
  const inside = await ended(await host.script("probe-main.ts", join(folder, "script")));
  if (inside.exitCode !== 0) throw new Error(inside.stderr);
  return {
    ...(JSON.parse(inside.stdout) as Record<string, string>),
    ...(await onGateway(weir, ["--log", "memory:"], (port) => probePlain(port))),
    ...(await tlsFacts(weir, folder)),
    "embedded log": await embeddedLog(weir, join(folder, "log")),
  };
}

async function onGateway<Found>(
  weir: readonly string[],
  options: readonly string[],
  probe: (port: number) => Promise<Found>,
): Promise<Found> {
  await using gateway = await HostedGateway.start(weir, options);
  return await probe(Number(new URL(gateway.url).port));
}

async function tlsFacts(weir: readonly string[], folder: string): Promise<Record<string, string>> {
  const { cert, key } = selfSigned();
  const [certPath, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  writeFileSync(certPath, cert);
  writeFileSync(keyPath, key);
  const options = ["--log", "memory:", "--server.tls.cert", certPath, "--server.tls.key", keyPath];
  return await onGateway(weir, options, (port) => probeTls(port, cert));
}

async function embeddedLog(weir: readonly string[], directory: string): Promise<string> {
  try {
    return await onGateway(weir, ["--log", `embedded:${directory}`], async () => "yes");
  } catch (error) {
    if (String(error).includes("The embedded log cannot be locked on Node 20")) return "no: Node 20 has no SQLite";
    throw error;
  }
}

for (const host of hosts) {
  const reason = host.missing ?? (hasOpenssl ? undefined : "no openssl");
  test.skipIf(reason !== undefined)(
    `docs/runtimes.md says of ${host.name} what its gateway does${reason === undefined ? "" : ` (skipped: ${reason})`}`,
    async () => {
      using folder = temporaryFolder();
      expect(tableOf(host.name)).toEqual(await facts(host, folder.path));
    },
    timeoutMs,
  );
}

test("docs/runtimes.md names the permissions that these tests give to Deno", () => {
  expect(document).toContain(denoPermissions.join(" "));
});
