/**
 * What this gateway offers: the one place where features are named.
 * @module
 */
import { Pools } from "../pool/pools.ts";
import type { Scalers } from "../pool/scaler.ts";
import { Requests } from "../requests/requests.ts";
import type { Services } from "../services.ts";
import type { Supervisor } from "../supervisor.ts";

type Parts = { readonly supervisor: Supervisor; readonly scalers: Scalers | undefined };

/** Those that operators ask for something are answered. */
export function offerFeatures(services: Services, { supervisor, scalers }: Parts): { readonly pools: Pools } {
  const pools = new Pools(services, supervisor, scalers);
  services.features.offer(new Requests(services));
  services.features.offer(pools);
  return { pools };
}
