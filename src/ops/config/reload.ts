/**
 * Decides what of a newly loaded configuration a running gateway takes over: what can change, at once; what cannot,
 * stays as it is and waits for a restart.
 *
 * Pure.
 * @module
 */
import { settings } from "./describe.ts";
import type { SettingChange } from "./live-config.ts";
import { decideResolved, type Loaded, type Resolved } from "./load.ts";

export type Reload = {
  /** What is to be in force, or why it cannot be. */
  readonly next: Loaded;
  readonly changes: readonly SettingChange[];
  /** Settings whose new value waits for a restart. */
  readonly waiting: ReadonlyMap<string, unknown>;
};

export function planReload(current: Resolved, loaded: Extract<Loaded, { ok: true }>): Reload {
  const changes: SettingChange[] = [];
  const waiting = new Map<string, unknown>();
  const inForce = new Map(loaded.resolved);
  for (const [setting, { live, secret }] of settings) {
    const before = current.get(setting);
    const after = loaded.resolved.get(setting);
    if (before === undefined || after === undefined || same(before.value, after.value)) continue;
    if (live) changes.push(changeOf(setting, secret, { before: before.value, after: after.value }));
    else {
      waiting.set(setting, after.value);
      inForce.set(setting, before);
    }
  }
  // What is in force is a mixture then, and has to go together.
  return { next: waiting.size === 0 ? loaded : decideResolved(inForce), changes, waiting };
}

export const mask = "[masked]";

/** A value as it may be shown. */
export function shown(value: unknown, secret: boolean): unknown {
  return value === undefined || !secret ? value : mask;
}

function changeOf(
  setting: string,
  secret: boolean,
  { before, after }: { before: unknown; after: unknown },
): SettingChange {
  return {
    setting,
    ...(before === undefined ? {} : { before: shown(before, secret) }),
    ...(after === undefined ? {} : { after: shown(after, secret) }),
  };
}

export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
