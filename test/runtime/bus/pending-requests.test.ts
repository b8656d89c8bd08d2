import { expect, test } from "bun:test";
import { busRequestsMax } from "../../../src/runtime/bus/bus.ts";
import { PendingRequests } from "../../../src/runtime/bus/pending-requests.ts";
import type { Clock } from "../../../src/runtime/ports.ts";

/** Time that does not pass. */
const clock: Clock = { now: () => 0, after: () => ({ cancel: () => undefined }), soon: () => undefined };

test("open() answers unavailable beyond busRequestsMax, and takes the next one when one has ended", async () => {
  const requests = new PendingRequests(clock);
  const tokens: string[] = [];
  const open = () => requests.open({ timeoutMs: 1 }, (token) => void tokens.push(token));
  const waiting = Array.from({ length: busRequestsMax }, open);
  expect(await open()).toEqual({ ok: false, code: "unavailable" });
  requests.settle(tokens[0] as string, { ok: false, code: "noResponders" });
  expect(await waiting[0]).toEqual({ ok: false, code: "noResponders" });
  const next = open();
  expect(tokens).toHaveLength(busRequestsMax + 1);
  requests.settleAll("timeout");
  expect(await next).toEqual({ ok: false, code: "timeout" });
  const codes = (await Promise.all(waiting.slice(1))).map((reply) => !reply.ok && reply.code);
  expect([...new Set(codes)]).toEqual(["timeout"]);
});
