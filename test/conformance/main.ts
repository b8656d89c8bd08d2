/**
 * `bun test/conformance/main.ts ws://host:port [--codec name] [--filter text] [--token jwt] [--handshake-ms n]`
 * holds any gateway to docs/protocol/v1.md: TAP lines, a summary, exit code 1 when a case fails, 2 when it cannot run.
 * @module
 */
import { parseArgs } from "node:util";
import { codecs } from "../../src/protocol/codecs.ts";
import { limits } from "../../src/protocol/limits.ts";
import { CaseSkipped, upgradeStatus } from "./peer.ts";
import { cases } from "./suite.ts";
import { runCase, type Target } from "./world.ts";

const usage =
  "usage: bun test/conformance/main.ts ws://host:port [--codec msgpack|protobuf|json] [--filter text] [--token jwt] [--handshake-ms n]";

type Tally = { passed: number; failed: number; skipped: number };

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      codec: { type: "string" },
      filter: { type: "string", default: "" },
      token: { type: "string" },
      "handshake-ms": { type: "string", default: String(limits.handshakeMs) },
    },
  });
  const [url, ...surplus] = positionals;
  if (url === undefined || !/^wss?:\/\//.test(url))
    throw new Error(`Expected a ws:// or wss:// URL, got ${url ?? "none"}`);
  if (surplus.length > 0) throw new Error(`Unexpected argument "${surplus[0]}"`);
  const handshakeMs = Number(values["handshake-ms"]);
  if (!Number.isSafeInteger(handshakeMs) || handshakeMs < 1)
    throw new Error(`Bad --handshake-ms "${values["handshake-ms"]}"`);
  const chosen = Object.values(codecs).filter(({ name }) => values.codec === undefined || name === values.codec);
  if (chosen.length === 0) throw new Error(`Unknown codec "${values.codec}"; known: ${Object.keys(codecs).join(", ")}`);
  const wanted = cases.filter(({ name, section }) => `${section}: ${name}`.includes(values.filter));
  if (wanted.length === 0) throw new Error(`No case holds "${values.filter}"`);
  return { url, chosen, wanted, handshakeMs, token: values.token };
}

async function runOne(index: number, title: string, run: () => Promise<void>, tally: Tally): Promise<void> {
  try {
    await run();
    tally.passed += 1;
    console.log(`ok ${index} - ${title}`);
  } catch (thrown) {
    if (thrown instanceof CaseSkipped) {
      tally.skipped += 1;
      console.log(`ok ${index} - ${title} # SKIP ${thrown.message}`);
      return;
    }
    tally.failed += 1;
    console.log(`not ok ${index} - ${title}\n  # ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

async function main(): Promise<number> {
  const { url, chosen, wanted, handshakeMs, token } = readArguments();
  await upgradeStatus(url, [], 10_000).catch((thrown: unknown) => {
    throw new Error(`Cannot reach ${url}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  });
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  console.log(`TAP version 13\n1..${chosen.length * wanted.length}`);
  let index = 0;
  for (const codec of chosen) {
    const target: Target = { url, codec, handshakeMs, waitMs: 10_000, ...(token === undefined ? {} : { token }) };
    for (const one of wanted) {
      index += 1;
      await runOne(index, `${codec.name}: ${one.section}: ${one.name}`, () => runCase(one, target), tally);
    }
  }
  console.log(`# ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  return tally.failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  console.error(`${thrown instanceof Error ? thrown.message : String(thrown)}\n${usage}`);
  process.exitCode = 2;
}
