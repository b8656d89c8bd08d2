/**
 * Reads a file that the configuration names; that it cannot be read is the configuration's fault.
 * @module
 */
import { readFileSync } from "node:fs";
import { CliError, exitCodes } from "./cli/exit-code.ts";

export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CliError(exitCodes.usage, `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
