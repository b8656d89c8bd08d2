/**
 * Ports for servers of tests, that no other process can take meanwhile.
 *
 * A server needs its port before it starts (routes name each other's) and again after a restart. So each port is
 * claimed by holding the UDP port of the same number: it excludes every other process that claims this way, and the
 * system gives it back however this one ends. The numbers lie below those that Linux hands out for connections.
 * @module
 */
import { createServer } from "node:net";

const lowest = 20_000;
const count = 12_000;
const triesMax = 50;

export type ClaimedPort = { readonly port: number; release(): void };

export async function claimPort(): Promise<ClaimedPort> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = lowest + Math.floor(Math.random() * count);
    const claim = await claimed(port);
    if (claim === undefined) continue;
    if (await canListen(port)) return { port, release: () => claim.close() };
    claim.close();
  }
  throw new Error(`Found no free port from ${lowest} to ${lowest + count - 1} in ${triesMax} tries`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Undefined: another one has it. Bun throws that, before there is a promise. */
async function claimed(port: number) {
  try {
    return await Bun.udpSocket({ hostname: "127.0.0.1", port });
  } catch {
    return undefined;
  }
}
