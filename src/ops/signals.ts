/**
 * The wish of whoever runs a command to end it.
 * @module
 */
import { exitCodes } from "./cli/exit-code.ts";

/** A terminal sends Ctrl-C to the whole process group, and a launcher forwards it: the same wish, twice. */
const sameSignalMs = 500;

/** The first SIGINT or SIGTERM; a later one ends the process at once. */
export function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        resolve(signal);
      } else if (now - firstAt > sameSignalMs) {
        process.exit(exitCodes.failed);
      }
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  });
}
