/**
 * Serving while the bus is away: what waits for it is bounded, and answered when it is back.
 */
import { expect, test } from "bun:test";
import type { Frame } from "../../../src/protocol/frame.ts";
import type { SessionId } from "../../../src/protocol/ids.ts";
import { limits } from "../../../src/protocol/limits.ts";
import type { Bus } from "../../../src/runtime/bus/bus.ts";
import { localBus } from "../../../src/runtime/bus/local.ts";
import type { Attachment } from "../../../src/runtime/features/feature.ts";
import { Counters } from "../../../src/runtime/metrics.ts";
import type { Ports } from "../../../src/runtime/ports.ts";
import { Serving } from "../../../src/runtime/requests/serving.ts";
import type { Services } from "../../../src/runtime/services.ts";
import type { Peer } from "../../../src/runtime/session/context.ts";
import { ManualClock } from "../../support/manual-clock.ts";

test("SERVE frames that wait for the bus are bounded, and answered when it is back", async () => {
  const clock = new ManualClock();
  const local = localBus(clock);
  const back = Promise.withResolvers<void>();
  const away: Bus = {
    ...{ bytesMax: local.bytesMax, publish: () => undefined, close: () => local.close() },
    request: (...asked) => local.request(...asked),
    subscribe: (...what) => ({ ...local.subscribe(...what), ready: () => back.promise }),
  };
  const serving = new Serving({
    ports: { clock, bus: away } as unknown as Ports,
    counters: new Counters(),
  } as Services);
  const sent: Frame[] = [];
  const send = (frame: Frame) => {
    sent.push(frame);
    return "sent" as const;
  };
  const identity = { subject: "", publish: [">"], subscribe: [">"] };
  const peer = { send, identity, limits: { ...limits, filtersServedMax: 2 } } as unknown as Peer;
  const attachment: Attachment = { session: "s" as SessionId, owner: 1, peer };
  const asked = [1, 2, 3].map((ref) => serving.serve(attachment, { type: "serve", ref, filter: "t" }));
  expect(sent).toMatchObject([{ type: "error", cause: "overloaded", retryable: true, ref: 3, retryAfterMs: 1_000 }]);
  back.resolve();
  await Promise.all(asked);
  expect(sent.slice(1)).toEqual([1, 2].map((ref) => ({ type: "served", ref, filter: "t" })));
  await serving.serve(attachment, { type: "serve", ref: 4, filter: "t" });
  expect(sent.at(-1)).toEqual({ type: "served", ref: 4, filter: "t" });
});
