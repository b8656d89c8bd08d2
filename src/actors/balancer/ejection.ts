/**
 * Passive health: whoever fails several times in a row while it is used is left out for a while, longer each time, and then
 * tried again. As Envoy's outlier detection (consecutive failures), with its cap: of several only a share may be out at
 * once, because when most fail it is not they who are at fault.
 *
 * Pure: time arrives as `at`. Bounded by those that `retain` names.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export type EjectionOptions = {
  /** So many failures in a row eject. 1 to 1 000; 0: nobody is ejected. @default 5 */
  readonly failures: number;
  /** A failure so long after the one before is a first one again, in milliseconds. @default 30_000 */
  readonly windowMs: number;
  /** The first time it is out for so long, the n-th in a row n times as long, in milliseconds. @default 30_000 */
  readonly ejectMs: number;
  /** At most so long. @default 300_000 */
  readonly ejectMsMax: number;
  /** Of all, at most this share is out at once, but one may always be if there are two. 0 to 1. @default 0.5 */
  readonly shareMax: number;
};

export const ejectionDefaults: EjectionOptions = {
  failures: 5,
  windowMs: 30_000,
  ejectMs: 30_000,
  ejectMsMax: 300_000,
  shareMax: 0.5,
};

type Outlier = {
  readonly failures: number;
  readonly failedAt: EpochMs;
  /** Times out in a row; each `ejectMs` without takes one off. */
  readonly times: number;
  readonly until: EpochMs;
};

export type Failed = "counted" | "ejected" | "spared";

export class Ejections {
  readonly #options: EjectionOptions;
  readonly #outliers = new Map<string, Outlier>();

  constructor(options: Partial<EjectionOptions> = {}) {
    this.#options = { ...ejectionDefaults, ...options };
  }

  isEjected(id: string, at: EpochMs): boolean {
    return (this.#outliers.get(id)?.until ?? 0) > at;
  }

  succeeded(id: string): void {
    const outlier = this.#outliers.get(id);
    if (outlier !== undefined) this.#outliers.set(id, { ...outlier, failures: 0 });
  }

  /** `of`: how many there are. `spared`: it should be out, and too many are already; it stays on the verge. */
  failed(id: string, { at, of }: { readonly at: EpochMs; readonly of: number }): Failed {
    const { failures: failuresMax, windowMs, ejectMs, ejectMsMax } = this.#options;
    const { failures: before, failedAt, times, until } = this.#outliers.get(id) ?? fresh;
    const failures = (at - failedAt > windowMs ? 0 : before) + 1;
    if (until > at || failuresMax === 0 || failures < failuresMax) {
      this.#outliers.set(id, { failures, failedAt: at, times, until });
      return "counted";
    }
    if (!this.#mayEject(at, of)) {
      this.#outliers.set(id, { failures: failuresMax - 1, failedAt: at, times, until });
      return "spared";
    }
    const inARow = Math.max(0, times - Math.floor((at - until) / ejectMs)) + 1;
    const outMs = Math.min(ejectMsMax, ejectMs * inARow);
    this.#outliers.set(id, { failures: 0, failedAt: at, times: inARow, until: at + outMs });
    return "ejected";
  }

  /** The others are forgotten. */
  retain(ids: ReadonlySet<string>): void {
    for (const id of this.#outliers.keys()) if (!ids.has(id)) this.#outliers.delete(id);
  }

  #mayEject(at: EpochMs, of: number): boolean {
    const out = [...this.#outliers.values()].filter(({ until }) => until > at).length;
    const outMax = Math.min(of - 1, Math.max(1, Math.floor(of * this.#options.shareMax)));
    return out < outMax;
  }
}

const fresh: Outlier = { failures: 0, failedAt: 0, times: 0, until: 0 };
