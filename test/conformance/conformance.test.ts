/**
 * The production gateway passes every case of the suite, in every codec; and the suite fails what is no gateway.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { codecs } from "../../src/protocol/codecs.ts";
import { limits } from "../../src/protocol/limits.ts";
import { CaseFailure, CaseSkipped } from "./peer.ts";
import { type RealGateway, startRealGateway } from "./real-gateway.ts";
import { cases } from "./suite.ts";
import { runCase } from "./world.ts";

const waitMs = 10_000;
const hastyMs = 200;
/** What cannot be asked of a codec or gateway; everything else must run. */
const mayBeSkipped = new Set(["a frame that nests too deep closes with protocolViolation"]);

let gateway: RealGateway;
/** Waits for HELLO only shortly: for the one case about that. */
let hasty: RealGateway;

beforeAll(async () => {
  // Less credit than one frame can carry, so that one frame can overrun it.
  gateway = await startRealGateway({ publishCreditRecords: limits.listItemsMax - 96 });
  hasty = await startRealGateway({ handshakeMs: hastyMs });
});
afterAll(async () => {
  await gateway.stop();
  await hasty.stop();
});

for (const codec of Object.values(codecs)) {
  describe(`gateway over weir.v1.${codec.name}`, () => {
    for (const one of cases) {
      test(
        `${one.section}: ${one.name}`,
        async () => {
          const target =
            one.needs === "shortHandshake"
              ? { url: hasty.url, handshakeMs: hastyMs }
              : { url: gateway.url, handshakeMs: limits.handshakeMs };
          const skipped = await runCase(one, { ...target, codec, waitMs }).catch((thrown: unknown) => {
            if (thrown instanceof CaseSkipped && mayBeSkipped.has(one.name)) return thrown;
            throw thrown;
          });
          expect(skipped === undefined || codec.name === "protobuf").toBe(true);
        },
        waitMs + 5_000,
      );
    }
  });
}

test("every case fails against a server that only echoes, except those about the upgrade alone", async () => {
  using echo = Bun.serve({
    port: 0,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("echo")),
    websocket: { message: (socket, data) => void socket.send(data) },
  });
  const target = { url: `ws://127.0.0.1:${echo.port}/`, codec: codecs.json, handshakeMs: 1, waitMs: 500 };
  const outcomes = await Promise.all(
    cases.map(async (one) => {
      const outcome = await runCase(one, target).then(
        () => "passed",
        (thrown: unknown) => thrown,
      );
      return outcome instanceof CaseFailure ? [] : [one.name];
    }),
  );
  expect(outcomes.flat()).toEqual([
    "the gateway answers with the subprotocol that was offered",
    "the path /weir is served like /",
  ]);
}, 30_000);
