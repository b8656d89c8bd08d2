/**
 * What is wrong with a disk or a directory is told clearly, and nothing that was acknowledged is lost.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { openEmbeddedLog } from "../../../src/runtime/log/embedded/mod.ts";
import type { AppendResult } from "../../../src/runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { newRecord, texts } from "./new-record.ts";

const ports = { clock: systemClock(), random: systemRandom() };
const everything = { filter: ">", after: 0, recordsMax: 1e6, bytesMax: 1 << 30 };
const noBound = { ageMs: 0, bytes: 0, records: 0 };

describe("embedded: trouble", () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "weir-log-test-"));
    file = join(directory, "log.mdb");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function fill(count: number): Promise<void> {
    const log = await openEmbeddedLog(directory, ports);
    for (let i = 0; i < count; i += 100) {
      await log.append({
        records: Array.from({ length: 100 }, (_, k) => ({
          ...newRecord("a", `${i + k}`),
          payload: new Uint8Array(200).fill(0x5a),
        })),
      });
    }
    await log.close();
  }

  test("a directory that cannot be made is `notWritable`", async () => {
    writeFileSync(file, "");
    await expect(openEmbeddedLog(join(file, "inside"), ports)).rejects.toMatchObject({
      name: "LogOpenError",
      code: "notWritable",
    });
  });
  test("a directory that holds something else is `foreign`, and is left alone", async () => {
    writeFileSync(join(directory, "thesis.txt"), "mine");
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({
      code: "foreign",
      message: expect.stringContaining("thesis.txt"),
    });
    expect(readFileSync(join(directory, "thesis.txt"), "utf8")).toBe("mine");
  });
  test("another program's LMDB file is `foreign`", async () => {
    const other = open({ path: file });
    await other.put("their", "data");
    await other.close();
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({
      code: "foreign",
      message: expect.stringContaining(file),
    });
  });
  test("a read-only open of nothing is `foreign`", async () => {
    await expect(openEmbeddedLog(directory, { ...ports, readOnly: true })).rejects.toMatchObject({ code: "foreign" });
  });
  test("a later format is `wrongVersion`, with both numbers", async () => {
    await fill(100);
    const raw = open<Buffer, string>({ path: file, encoding: "binary" });
    const meta = raw.openDB<Buffer, string>({ name: "meta", encoding: "binary" });
    await meta.put("format", Buffer.from(JSON.stringify({ weir: "log", version: 2, epoch: "e" })));
    await raw.close();
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({
      code: "wrongVersion",
      message: expect.stringMatching(/format 2.*reads 1/),
    });
  });
  test("a file of garbage is `corrupt`", async () => {
    writeFileSync(file, Buffer.alloc(50_000, 0x2e));
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining(file),
    });
  });
  test("a file that was cut off is `corrupt`", async () => {
    await fill(10_000);
    truncateSync(file, Math.floor(statSync(file).size / 3));
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining("cut off"),
    });
  });
  test("a damaged block of records is `corrupt`, and is never read as records", async () => {
    await fill(1_000);
    const bytes = readFileSync(file);
    const at = bytes.lastIndexOf(Buffer.alloc(150, 0x5a));
    expect(at).toBeGreaterThan(0);
    writeSync(openSync(file, "r+"), Buffer.from("damage"), 0, 6, at);
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining(file),
    });
  });
  test("a copy of the file, made beside the writer's commits, is a whole log", async () => {
    await fill(1_000);
    const copy = mkdtempSync(join(tmpdir(), "weir-log-test-"));
    copyFileSync(file, join(copy, "log.mdb"));
    const log = await openEmbeddedLog(copy, ports);
    expect(log.info()).toMatchObject({ firstSeq: 1, lastSeq: 1_000 });
    await log.close();
    rmSync(copy, { recursive: true });
  });
  test("space is used again: the file stays as large as what is held", async () => {
    const log = await openEmbeddedLog(directory, { ...ports, lagRecords: 500 });
    const sizes: number[] = [];
    for (let cycle = 0; cycle < 12; cycle++) {
      for (let group = 0; group < 10; group++) {
        await log.append({
          records: Array.from({ length: 200 }, (_, i) => ({
            ...newRecord(`t.${cycle}.${i}`),
            payload: new Uint8Array(500),
          })),
        });
      }
      await log.trim({ ...noBound, records: 1_000 });
      sizes.push(statSync(file).size);
    }
    await log.close();
    expect(log.info().records).toBe(1_000);
    expect(sizes.at(-1)).toBeLessThanOrEqual((sizes[5] as number) * 1.1);
  }, 20_000);
});

const mounted = mountSmallDisk();

describe.skipIf(mounted === undefined)("embedded: disk full (needs the right to mount a tmpfs)", () => {
  const disk = mounted as string;
  const ballast = join(disk ?? "", "ballast");
  afterEach(() => void Bun.spawnSync(["umount", disk]));

  test("appends answer `full`, nothing acknowledged is lost, and they go on once there is space", async () => {
    writeFileSync(ballast, Buffer.alloc(6 << 20));
    const directory = join(disk, "log");
    const log = await openEmbeddedLog(directory, ports);
    const followed: number[] = [];
    log.follow(0, (records) => void followed.push(...records.map((record) => record.seq)));
    const acknowledged: string[] = [];
    let failure: AppendResult | undefined;
    for (let i = 0; failure === undefined && i < 1_000; i++) {
      const result = await log.append({
        records: [{ ...newRecord("a"), id: `${i}`, payload: new Uint8Array(60_000) }],
        numbered: { producer: "p", after: i, numbers: [i + 1] },
      });
      if (result.ok) acknowledged.push(`${i}`);
      else failure = result;
    }
    expect(failure).toMatchObject({
      ok: false,
      code: "full",
      retryable: true,
      message: expect.stringContaining(directory),
    });
    await expect(log.blobs.put("b", new Uint8Array(3_000_000))).resolves.toMatchObject({ ok: false, code: "full" });
    await expect(
      log.forgetProducer("x").then(
        () => "done",
        (cause: Error) => cause.message,
      ),
    ).resolves.toBeString();
    expect((await log.read(everything)).records.map((record) => record.id)).toEqual(acknowledged);
    expect(await log.producerMark("p")).toBe(acknowledged.length);
    unlinkSync(ballast);
    const count = acknowledged.length;
    const again = await log.append({
      records: [newRecord("a", "again")],
      numbered: { producer: "p", after: count, numbers: [count + 1] },
    });
    expect(again).toMatchObject({ ok: true, seqs: [count + 1] });
    await log.close();
    const reopened = await openEmbeddedLog(directory, ports);
    const { records } = await reopened.read(everything);
    expect(records.length).toBe(count + 1);
    expect(texts(records.slice(-1))).toEqual(["again"]);
    expect(followed).toEqual(records.map((record) => record.seq));
    await reopened.close();
  }, 20_000);
});

/** A file system of 10 MiB, where this process may make one. */
function mountSmallDisk(): string | undefined {
  const at = mkdtempSync(join(tmpdir(), "weir-disk-test-"));
  const mount = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", at]);
  if (mount.success) return at;
  console.warn(`skipping the disk-full test: ${mount.stderr.toString().trim()}`);
  return undefined;
}
