/**
 * Clock, chance and hash of the real machine.
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import type { EpochMs } from "../protocol/ids.ts";
import type { Clock, Digest, Random, Timer } from "./ports.ts";

/** What one `setTimeout` can wait; a longer delay would fire at once. */
const timeoutMsMax = 2 ** 31 - 1;

/**
 * `soon` is `setImmediate`: it runs after the callbacks of all sockets that were readable in this turn of the
 * loop, so frames of many sockets share one flush; a microtask would run after each socket's callback.
 */
export function systemClock(): Clock {
  return {
    now: () => Date.now() as EpochMs,
    after,
    soon: (run) => void setImmediate(run),
  };
}

function after(delayMs: number, wake: () => void): Timer {
  let leftMs = Math.max(0, delayMs);
  const arm = (): ReturnType<typeof setTimeout> => {
    const partMs = Math.min(leftMs, timeoutMsMax);
    leftMs -= partMs;
    return setTimeout(() => {
      if (leftMs > 0) handle = arm();
      else wake();
    }, partMs);
  };
  let handle = arm();
  return { cancel: () => clearTimeout(handle) };
}

export function systemRandom(): Random {
  const word = new Uint32Array(1);
  return {
    next: () => (crypto.getRandomValues(word)[0] as number) / 2 ** 32,
    token: (bytes) => randomBytes(bytes).toString("base64url"),
  };
}

export const sha256: Digest = (secret) => createHash("sha256").update(secret).digest("base64url");
