/**
 * Requests of one bus that wait for an answer: each ends once, by its answer, its time, its asker or the end of the bus.
 * @module
 */
import type { Clock } from "../ports.ts";
import { type BusFailure, type BusReply, type BusRequestOptions, busRequestsMax } from "./bus.ts";

export class PendingRequests {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, (reply: BusReply) => void>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `send` gets the token that `settle` takes. */
  open({ timeoutMs, signal }: Omit<BusRequestOptions, "headers">, send: (token: string) => void): Promise<BusReply> {
    if (signal?.aborted === true) return Promise.resolve({ ok: false, code: "aborted" });
    if (this.#waiting.size >= busRequestsMax) return Promise.resolve({ ok: false, code: "unavailable" });
    const token = (++this.#count).toString(36);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer.cancel();
        signal?.removeEventListener("abort", aborted);
        this.#waiting.delete(token);
      };
      const done = (reply: BusReply): void => {
        end();
        resolve(reply);
      };
      const aborted = (): void => done({ ok: false, code: "aborted" });
      const timer = this.#clock.after(timeoutMs, () => done({ ok: false, code: "timeout" }));
      signal?.addEventListener("abort", aborted);
      this.#waiting.set(token, done);
      try {
        send(token);
      } catch (error) {
        end();
        reject(error);
      }
    });
  }

  /** One that is not waiting any more is passed over. */
  settle(token: string, reply: BusReply): void {
    this.#waiting.get(token)?.(reply);
  }

  settleAll(code: BusFailure["code"]): void {
    for (const done of [...this.#waiting.values()]) done({ ok: false, code });
  }
}
