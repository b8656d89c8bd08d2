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
  if (delayMs > timeoutMsMax) return afterLong(delayMs, wake);
  // Each connection has one: nothing is held that is not needed.
  const handle = setTimeout(wake, Math.max(0, delayMs));
  return { cancel: () => clearTimeout(handle) };
}

function afterLong(delayMs: number, wake: () => void): Timer {
  let part = after(timeoutMsMax, () => {
    part = after(delayMs - timeoutMsMax, wake);
  });
  return { cancel: () => part.cancel() };
}

export function systemRandom(): Random {
  const word = new Uint32Array(1);
  return {
    next: () => (crypto.getRandomValues(word)[0] as number) / 2 ** 32,
    token: (bytes) => randomBytes(bytes).toString("base64url"),
  };
}

export const sha256: Digest = (secret) => createHash("sha256").update(secret).digest("base64url");
