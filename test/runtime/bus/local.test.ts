import { LocalHub, localBus } from "../../../src/runtime/bus/local.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { busContract } from "../../contract/bus.ts";

busContract("local", async () => {
  const hub = new LocalHub();
  return {
    open: async () => localBus(systemClock(), hub),
    known: async () => undefined,
    dispose: async () => undefined,
  };
});
