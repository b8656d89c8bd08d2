/** The in-process transport keeps the contract. */
import { memoryNetwork } from "../../src/runtime/transport/memory.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { type TransportRig, transportContract } from "../contract/transport.ts";

transportContract((): TransportRig => {
  const network = memoryNetwork({ clock: systemClock(), random: systemRandom() });
  return {
    name: "memory",
    transport: network.transport,
    fetch: network.fetch,
    connect({ url, subprotocols, origin, events }) {
      const link = network.connect({ url, subprotocols, events, ...(origin === undefined ? {} : { origin }) });
      return { ...link.socket, stall: () => link.stall(), unstall: () => link.unstall() };
    },
  };
});
