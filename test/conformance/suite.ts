/**
 * The conformance suite: every case, in the order of the protocol's sections. Cases use topics of their own,
 * so that they can run against any implementation and any log.
 * @module
 */
import { deliveryCases } from "./cases/delivery.ts";
import { handshakeCases } from "./cases/handshake.ts";
import { historyCases } from "./cases/history.ts";
import { livenessCases } from "./cases/liveness.ts";
import { orderCases } from "./cases/order.ts";
import { poolCases } from "./cases/pools.ts";
import { presenceCases } from "./cases/presence.ts";
import { publishingCases } from "./cases/publishing.ts";
import { requestCases } from "./cases/requests.ts";
import { sessionCases } from "./cases/sessions.ts";
import { startCases } from "./cases/starting.ts";
import { subscribingCases } from "./cases/subscribing.ts";
import { transactionCases } from "./cases/transactions.ts";
import type { ConformanceCase } from "./world.ts";

export const cases: readonly ConformanceCase[] = [
  ...handshakeCases,
  ...sessionCases,
  ...publishingCases,
  ...startCases,
  ...orderCases,
  ...subscribingCases,
  ...deliveryCases,
  ...transactionCases,
  ...historyCases,
  ...livenessCases,
  ...requestCases,
  ...poolCases,
  ...presenceCases,
];
