/**
 * The conformance suite through the proxy: a client cannot tell that one is there.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import { codecs } from "../../../src/protocol/codecs.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { CaseSkipped } from "../../conformance/peer.ts";
import { type RealGateway, startRealGateway } from "../../conformance/real-gateway.ts";
import { cases } from "../../conformance/suite.ts";
import { runCase } from "../../conformance/world.ts";
import { ProxyStage } from "./stage.ts";

const waitMs = 10_000;
const hastyMs = 200;

describe("the conformance suite through the proxy", () => {
  let gateways: readonly RealGateway[] = [];
  let stages: readonly ProxyStage[] = [];
  beforeAll(async () => {
    gateways = await Promise.all([
      startRealGateway({ publishCreditRecords: limits.listItemsMax - 96 }),
      startRealGateway({ handshakeMs: hastyMs }),
    ]);
    stages = await Promise.all(gateways.map(({ url }) => ProxyStage.open([url], ["--sticky", "cookie"])));
  });
  afterAll(async () => {
    for (const stage of stages) await stage[Symbol.asyncDispose]();
    for (const gateway of gateways) await gateway.stop();
  });
  for (const one of cases) {
    test(
      `${one.section}: ${one.name}`,
      async () => {
        const isHasty = one.needs === "shortHandshake";
        const url = stages[isHasty ? 1 : 0]?.url ?? "";
        const handshakeMs = isHasty ? hastyMs : limits.handshakeMs;
        await runCase(one, { url, codec: codecs.msgpack, handshakeMs, waitMs }).catch((thrown: unknown) => {
          if (!(thrown instanceof CaseSkipped)) throw thrown;
        });
      },
      waitMs + 5_000,
    );
  }
});
