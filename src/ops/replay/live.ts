/**
 * What running gateways add to what their log tells: they are asked, nothing of it is stored.
 * @module
 */
import type { ConnectionView, SessionView } from "../../runtime/inspection.ts";

export type LiveState = {
  /** Undefined: not in memory of a gateway that was asked. */
  session(id: string): Promise<SessionView | undefined>;
  connection(id: string): Promise<ConnectionView | undefined>;
};
