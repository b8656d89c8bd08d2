/**
 * What a connection is told when it is to go: GOAWAY with the reason, when to come again, and where.
 * @module
 */
import { type CloseName, closeCodes } from "../protocol/close-code.ts";
import type { Goaway } from "../protocol/frame.ts";
import type { EpochMs } from "../protocol/ids.ts";
import type { Destination } from "./cluster/drain.ts";

export class Farewell {
  /** For clients that may come back here. */
  retryAfterMs: number | undefined;
  #destination: Pick<Destination, "url" | "ticket" | "at"> | undefined;

  /** From now on it is sent there. */
  sendTo(destination: Pick<Destination, "url" | "ticket" | "at">): void {
    this.#destination = destination;
  }

  frame(reason: CloseName, cause: string, now: EpochMs): Goaway {
    const { code, advice } = closeCodes[reason];
    const said = { type: "goaway", code, cause, message: advice } as const;
    if (this.#destination !== undefined && reason === "goingAway") {
      const { url, ticket, at } = this.#destination;
      return { ...said, url, ticket, retryAfterMs: Math.max(0, at - now) };
    }
    return { ...said, ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }) };
  }
}
