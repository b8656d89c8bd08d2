/**
 * Reads a stream from a place to another one with a follower.
 * @module
 */
import type { Clock, Timer } from "../../ports.ts";
import { UnavailableError } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import { Follower, type FollowOptions } from "./follower.ts";

/** Without a message for so long nothing comes any more: NATS is away, or what was waited for was removed meanwhile. */
const patienceMs = 20_000;

/** `visit` answers true when it has seen enough. */
export function followUntil(
  api: Api,
  clock: Clock,
  options: Omit<FollowOptions, "onMessages" | "onTrouble">,
  visit: (message: Stored) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    const end = (settle: () => void): void => {
      timer?.cancel();
      follower.stop();
      settle();
    };
    const wait = (): void => {
      timer?.cancel();
      const silent = new UnavailableError(`${options.stream} gave nothing for ${patienceMs} ms`);
      timer = clock.after(patienceMs, () => end(() => reject(silent)));
    };
    const follower = new Follower(api, clock, {
      ...options,
      onMessages: (messages) => {
        for (const message of messages) if (visit(message)) return end(resolve);
        wait();
      },
      onTrouble: () => undefined,
    });
    wait();
  });
}
