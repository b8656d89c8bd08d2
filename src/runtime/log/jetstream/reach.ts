/**
 * Knows since when the log cannot be reached: the connection is away, or nobody leads the stream.
 * @module
 */
import type { EpochMs } from "../../../protocol/ids.ts";
import type { Clock, Timer } from "../../ports.ts";
import type { Api } from "./api.ts";

const askEveryMs = 2_000;
const askAwayMs = 250;

export class Reach {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #stream: string;
  #awaySince: EpochMs | undefined;
  #timer: Timer | undefined;

  constructor(api: Api, clock: Clock, stream: string) {
    this.#api = api;
    this.#clock = clock;
    this.#stream = stream;
    void this.#watchConnection();
    void api.nc.closed().then(() => this.#timer?.cancel());
    this.#askLater(askEveryMs);
  }

  /** Absent: it answers. */
  get awaySince(): EpochMs | undefined {
    return this.#awaySince;
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#api.nc.status()) if (type === "disconnect") this.#away(this.#clock.now());
  }

  #away(since: EpochMs): void {
    this.#awaySince ??= since;
  }

  /** Ends with the connection. */
  #askLater(ms: number): void {
    if (!this.#api.nc.isClosed()) this.#timer = this.#clock.after(ms, () => void this.#ask());
  }

  /** The stream's leader answers this, and nobody else. */
  async #ask(): Promise<void> {
    const askedAt = this.#clock.now();
    try {
      await this.#api.askOnceOnly(`$JS.API.STREAM.INFO.${this.#stream}`, {});
      this.#awaySince = undefined;
    } catch {
      this.#away(askedAt);
    }
    this.#askLater(this.#awaySince === undefined ? askEveryMs : askAwayMs);
  }
}
