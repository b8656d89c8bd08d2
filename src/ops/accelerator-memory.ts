/**
 * Free memory of this machine's accelerators, as a file or a command says it: the sum of its lines, `8123 MiB` each.
 * @module
 */
import { exec } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Clock, Logger, Timer } from "../runtime/ports.ts";

export type AcceleratorSource = { readonly file?: string; readonly command?: string };

const everyMs = 5_000;
const commandMs = 4_000;
const outputBytesMax = 65_536;
const units: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const run = promisify(exec);

/** Undefined: it says something else. */
export function freeBytesOf(text: string): number | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  let sum = 0;
  for (const line of lines) {
    const [, number, unit = "B"] = /^\s*(\d{1,15})\s*(B|KiB|MiB|GiB)?\s*$/.exec(line) ?? [];
    if (number === undefined) return undefined;
    sum += Number(number) * (units[unit] ?? 1);
  }
  return lines.length === 0 ? undefined : sum;
}

export class AcceleratorMemory {
  readonly #source: AcceleratorSource;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: Timer | undefined;
  #stopped = false;
  #isBad = false;
  /** Undefined: not known now. */
  freeBytes: number | undefined;

  constructor(source: AcceleratorSource, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#source = source;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Resolves after the first look; goes on looking until it is stopped. */
  async start(): Promise<void> {
    await this.#look();
    if (!this.#stopped) this.#timer = this.#clock.after(everyMs, () => void this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    let problem = "it is no number with B, KiB, MiB or GiB on each line";
    try {
      this.freeBytes = freeBytesOf(await this.#read());
    } catch (error) {
      problem = (error as Error).message;
      this.freeBytes = undefined;
    }
    const isBad = this.freeBytes === undefined;
    if (isBad && !this.#isBad) this.#logger.log("warn", "accelerator memory not known", { ...this.#source, problem });
    this.#isBad = isBad;
  }

  async #read(): Promise<string> {
    const { file, command = "" } = this.#source;
    if (file !== undefined) return await readFile(file, "utf8");
    return (await run(command, { timeout: commandMs, maxBuffer: outputBytesMax })).stdout;
  }
}
