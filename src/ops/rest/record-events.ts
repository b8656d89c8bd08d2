/**
 * The records of a filter as server-sent events: `event: record`, whose id is the position, so that a reader that lost
 * its connection goes on without a hole (`Last-Event-ID`). Pulled: a slow reader reads the log at its own pace.
 * @module
 */
import type { LogEpoch } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/ports.ts";
import type { Tail, TailStep } from "../../runtime/tail.ts";
import { eventText } from "./live.ts";
import { recordView } from "./record-view.ts";

const commentMs = 5_000;
const encoder = new TextEncoder();

export type RecordEventsParts = {
  readonly tail: Tail;
  readonly clock: Clock;
  readonly epoch: LogEpoch;
  readonly holds: () => boolean;
  /** Called once, however it ends. */
  readonly ended: () => void;
};

export function recordEvents({ tail, clock, epoch, holds, ended }: RecordEventsParts): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<TailStep, void>> | undefined;
  let over = false;
  let began = false;
  const end = (): void => {
    if (over) return;
    over = true;
    ended();
  };
  /** What comes next; undefined: nothing for a while. */
  const nextOrSilence = (): Promise<IteratorResult<TailStep, void> | undefined> =>
    new Promise((resolve, reject) => {
      const timer = clock.after(commentMs, () => resolve(undefined));
      next ??= tail.next();
      next.then(resolve, reject).finally(() => timer.cancel());
    });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!began) {
          began = true;
          return controller.enqueue(encoder.encode(": what comes\n\n"));
        }
        const step = await nextOrSilence();
        if (over) return;
        if (!holds() || step?.done === true) {
          end();
          return controller.close();
        }
        if (step === undefined) return controller.enqueue(encoder.encode(": still here\n\n"));
        next = undefined;
        controller.enqueue(encoder.encode(textOf(step.value as TailStep, epoch)));
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

function textOf(step: TailStep, epoch: LogEpoch): string {
  if (step.kind === "trimmed") return eventText("trimmed", JSON.stringify({ first: step.first }));
  return step.records
    .map((record) => {
      const view = recordView(record, epoch);
      return eventText("record", JSON.stringify(view), view.position);
    })
    .join("");
}
