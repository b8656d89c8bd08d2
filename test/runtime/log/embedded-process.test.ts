/**
 * The embedded log among processes: killed in the middle of appends, refused to a second writer, read beside its writer.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedLog } from "../../../src/runtime/log/embedded/mod.ts";
import type { EventLog, LogRecord } from "../../../src/runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { newRecord, texts } from "./new-record.ts";

const program = join(import.meta.dir, "embedded-writer.ts");
const ports = { clock: systemClock(), random: systemRandom() };
const everything = { filter: ">", after: 0, recordsMax: 1e6, bytesMax: 1 << 30 };

/** A running writer, read line by line. */
class WriterProcess {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #lines: AsyncGenerator<string>;

  constructor(directory: string) {
    this.#process = Bun.spawn([process.execPath, program, directory], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#lines = linesOf(this.#process.stdout);
  }

  get pid(): number {
    return this.#process.pid;
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the writer ended");
    return value;
  }

  /** Kills it with SIGKILL and gives what it had still printed. */
  async kill(): Promise<string[]> {
    this.#process.kill("SIGKILL");
    const rest: string[] = [];
    for await (const line of this.#lines) rest.push(line);
    await this.#process.exited;
    return rest;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

describe("embedded: processes", () => {
  let directory: string;
  let writer: WriterProcess | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "weir-log-test-"));
  });
  afterEach(async () => {
    await writer?.kill();
    writer = undefined;
    rmSync(directory, { recursive: true });
  });

  async function startWriter(): Promise<WriterProcess> {
    writer = new WriterProcess(directory);
    expect(await writer.line()).toBe(`ready ${writer.pid}`);
    return writer;
  }

  test("after each of 12 SIGKILLs every acknowledged record is there once, at its seq", async () => {
    const acknowledged = new Map<number, number>();
    const note = (line: string): void => {
      const [number, seq] = line.split(" ").map(Number);
      if (number !== undefined && seq !== undefined) acknowledged.set(number, seq);
    };
    for (let kill = 0; kill < 12; kill++) {
      const running = await startWriter();
      for (let i = 0; i < 20 + 37 * kill; i++) note(await running.line());
      for (const line of await running.kill()) note(line);
      const log = await openEmbeddedLog(directory, { ...ports, readOnly: true });
      const { records } = await log.read(everything);
      const numbers = texts(records).map(Number);
      expect(records.map((record) => record.seq)).toEqual(numbers.map((_, i) => i + 1));
      expect(numbers).toEqual(numbers.map((_, i) => i + 1));
      expect(await log.producerMark("writer")).toBe(numbers.length);
      for (const [number, seq] of acknowledged) expect(numbers[seq - 1]).toBe(number);
      await log.close();
    }
    expect(acknowledged.size).toBeGreaterThan(2_000);
  }, 60_000);

  test("a second writer is refused, with the process that writes", async () => {
    const running = await startWriter();
    const refusal = openEmbeddedLog(directory, ports);
    await expect(refusal).rejects.toMatchObject({ name: "LogOpenError", code: "locked" });
    await expect(refusal).rejects.toThrow(`process ${running.pid}`);
    const second = new WriterProcess(directory);
    expect(await second.line()).toStartWith("refused locked");
    await second.kill();
  });
  test("a second writer in the same process is refused, and the first goes on", async () => {
    const log = await openEmbeddedLog(directory, ports);
    await expect(openEmbeddedLog(directory, ports)).rejects.toMatchObject({ code: "locked" });
    expect((await log.append({ records: [newRecord("a")] })).ok).toBe(true);
    await log.close();
  });
  test("the lock ends with the process that was killed, and with close()", async () => {
    await (await startWriter()).kill();
    const log = await openEmbeddedLog(directory, ports);
    await log.close();
    await (await openEmbeddedLog(directory, ports)).close();
  });

  async function follow(log: EventLog, count: number): Promise<LogRecord[]> {
    const seen: LogRecord[] = [];
    return new Promise((resolve) => {
      const following = log.follow(0, (records) => {
        seen.push(...records);
        if (seen.length < count) return;
        following.stop();
        resolve(seen);
      });
    });
  }

  test("a reader beside the writer sees what is written, and follows it", async () => {
    const running = await startWriter();
    await running.line();
    const reader = await openEmbeddedLog(directory, { ...ports, readOnly: true });
    const seen = await follow(reader, 500);
    expect(seen.map((record) => record.seq)).toEqual(seen.map((_, i) => i + 1));
    expect(texts(seen)).toEqual(seen.map((_, i) => String(i + 1)));
    const page = await reader.read({ ...everything, filter: "t.3", until: 100 });
    expect(texts(page.records).slice(0, 3)).toEqual(["3", "8", "13"]);
    await reader.close();
  });
  test("a reader is refused appends", async () => {
    await (await openEmbeddedLog(directory, ports)).close();
    const reader = await openEmbeddedLog(directory, { ...ports, readOnly: true });
    expect(await reader.append({ records: [newRecord("a")] })).toMatchObject({
      ok: false,
      code: "unavailable",
      retryable: false,
    });
    await expect(reader.forgetProducer("p")).rejects.toThrow("reading only");
    await reader.close();
  });
  test("a reader goes on while its writer trims", async () => {
    const log = await openEmbeddedLog(directory, { ...ports, lagRecords: 1 });
    const fill = (): Promise<unknown> =>
      log.append({ records: Array.from({ length: 300 }, (_, i) => newRecord(`t.${i % 9}`, String(i))) });
    await fill();
    const reader = await openEmbeddedLog(directory, { ...ports, readOnly: true });
    expect((await reader.read(everything)).records.length).toBe(300);
    await fill();
    await log.trim({ ageMs: 0, bytes: 0, records: 100 });
    const { records } = await reader.read(everything);
    expect([records.length, records[0]?.seq, reader.info().firstSeq]).toEqual([100, 501, 501]);
    await reader.close();
    await log.close();
  });
});
