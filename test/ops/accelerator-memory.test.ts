import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AcceleratorMemory, type AcceleratorSource, freeBytesOf } from "../../src/ops/accelerator-memory.ts";
import { systemClock } from "../../src/runtime/system.ts";

test("freeBytesOf() adds up lines of numbers with and without a unit, and knows what is none", () => {
  expect(freeBytesOf("8123 MiB\n7 MiB\n\n")).toBe(8_130 * 2 ** 20);
  expect(freeBytesOf(" 5\n1KiB\n1 GiB")).toBe(5 + 2 ** 10 + 2 ** 30);
  for (const text of ["", "\n", "8 MB", "-1 MiB", "many"]) expect(freeBytesOf(text)).toBeUndefined();
});

async function looked(source: AcceleratorSource) {
  const lines: unknown[] = [];
  const logger = { log: (...line: unknown[]) => void lines.push(line) };
  const memory = new AcceleratorMemory(source, { clock: systemClock(), logger });
  await memory.start();
  memory.stop();
  return { freeBytes: memory.freeBytes, lines };
}

test("AcceleratorMemory reads a file or runs a command, and says once what is wrong with it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-accelerator-"));
  try {
    const file = join(folder, "free");
    writeFileSync(file, "3 MiB\n");
    expect(await looked({ file })).toEqual({ freeBytes: 3 * 2 ** 20, lines: [] });
    expect(await looked({ command: "echo 10 KiB" })).toEqual({ freeBytes: 10_240, lines: [] });
    for (const source of [{ file: join(folder, "none") }, { command: "exit 3" }, { command: "echo plenty" }]) {
      const { freeBytes, lines } = await looked(source);
      expect([freeBytes, lines]).toEqual([
        undefined,
        [["warn", "accelerator memory not known", { ...source, problem: expect.any(String) }]],
      ]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
