/**
 * Section "Pools", as far as a client alone can see it: pools are made by operators, so what is refused.
 * @module
 */
import { CaseSkipped, equal } from "../peer.ts";
import type { Client, ConformanceCase, World } from "../world.ts";

const section = "Pools";

async function offered(world: World): Promise<Client> {
  const client = await world.open();
  if (!client.welcome.features.includes("pools")) throw new CaseSkipped("The gateway does not offer pools");
  return client;
}

export const poolCases: readonly ConformanceCase[] = [
  {
    section,
    name: "JOIN of a pool that nobody has made is refused with poolUnknown, and the connection goes on",
    async run(world) {
      const { peer } = await offered(world);
      peer.send({ type: "join", ref: 5, pool: "nobody-has-made-this", capacity: 2 });
      equal((await peer.refusal("poolUnknown")).ref, 5, "ERROR.ref");
      await peer.fence();
    },
  },
  {
    section,
    name: "LEAVE, DONE and FAILED of who is no member are refused with notMember",
    async run(world) {
      const { peer } = await offered(world);
      peer.send({ type: "leave", ref: 6, pool: "nobody-has-made-this" });
      equal((await peer.refusal("notMember")).ref, 6, "ERROR.ref");
      peer.send({ type: "done", pool: "nobody-has-made-this", items: [1, 2] });
      await peer.refusal("notMember");
      peer.send({ type: "failed", pool: "nobody-has-made-this", item: 1, reason: "x" });
      await peer.refusal("notMember");
      await peer.fence();
    },
  },
];
