/**
 * On a log that several nodes share, a client may have seen on another node what this one has not followed yet. It is
 * served when this node has got there: its place would look ahead of the log until then.
 * @module
 */
import type { SessionState } from "../../actors/session/state.ts";
import type { Hello } from "../../protocol/frame.ts";
import type { LogEpoch, Seq } from "../../protocol/ids.ts";
import { UnavailableError } from "../log/event-log.ts";
import type { Services } from "../services.ts";

const catchUpMs = 5_000;

/** False: not in time. What the log does not hold is not waited for. */
export async function caughtUp({ hub, ports }: Services, seq: Seq): Promise<boolean> {
  if (seq <= hub.position) return true;
  const until = Math.min(seq, await ports.log.end());
  if (until <= hub.position) return true;
  return new Promise((resolve) => {
    const cancel = hub.whenAt(until, () => {
      timer.cancel();
      resolve(true);
    });
    const timer = ports.clock.after(catchUpMs, () => {
      cancel();
      resolve(false);
    });
  });
}

/** For a place that a client names itself. */
export async function mustCatchUp(services: Services, seq: Seq): Promise<void> {
  if (!(await caughtUp(services, seq)))
    throw new UnavailableError(`This node has not followed the log up to ${seq} yet`);
}

/** The furthest place that the journal or the client knows of. */
export function furthestOf({ subscriptions }: SessionState, hello: Hello, epoch: LogEpoch): Seq {
  let furthest = 0;
  for (const { positions } of subscriptions.values()) furthest = Math.max(furthest, ...positions);
  if (hello.epoch !== undefined && hello.epoch !== epoch) return furthest;
  for (const { seq } of hello.positions ?? []) furthest = Math.max(furthest, seq);
  return furthest;
}
