/**
 * Waits before something is tried again. Who waits bounds how often, and says what it waits for.
 * @module
 */
import type { Clock } from "./ports.ts";

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((wake) => void clock.after(ms, wake));
}
