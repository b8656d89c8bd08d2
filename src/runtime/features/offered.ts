/**
 * What this gateway offers: the one place where features are named.
 * @module
 */
import { Requests } from "../requests/requests.ts";
import type { Services } from "../services.ts";

export function offerFeatures(services: Services): void {
  services.features.offer(new Requests(services));
}
