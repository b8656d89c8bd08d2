/**
 * Notices that a file has changed, also one that is replaced, made or linked anew (as Kubernetes does with a ConfigMap,
 * where notices of the file system are not to be had): by looking, now and then.
 * @module
 */
import { statSync } from "node:fs";
import type { Clock, Timer } from "../../runtime/ports.ts";

const lookEveryMs = 1_000;

/** Answers how to stop. A change is told within about two seconds, several at once as one. */
export function watchFiles(paths: readonly string[], clock: Clock, onChange: () => void): () => void {
  let seen = paths.map(stampOf).join();
  let timer: Timer | undefined;
  const look = (): void => {
    const now = paths.map(stampOf).join();
    timer = clock.after(lookEveryMs, look);
    if (now === seen) return;
    seen = now;
    onChange();
  };
  if (paths.length > 0) timer = clock.after(lookEveryMs, look);
  return () => timer?.cancel();
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch {
    return "none"; // Reading it will say why.
  }
}
