/** The order of faults of a seed: repeatable, and with every kind in it. */
import { expect, test } from "bun:test";
import { faultKinds, faultOrder } from "./faults.ts";

const nothing = (): undefined => undefined;
const never = async (): Promise<void> => undefined;
const victim = { kill: never, stop: never, pause: nothing, continue: nothing, start: nothing };
const { stop: _, ...client } = victim;
const kinds = faultKinds({
  servers: [victim],
  gateways: [victim],
  clients: [client],
  natsLinks: [[]],
  clientLinks: [[]],
});

function kindsOf(seed: number, count: number): string[] {
  const order = faultOrder(kinds, seed);
  return Array.from({ length: count }, () => order.next().value.kind);
}

test("faultOrder() has each of the 14 kinds once before any comes again, for any seed", () => {
  for (let seed = 0; seed < 100; seed++) {
    const order = kindsOf(seed, 28);
    expect([new Set(order.slice(0, 14)).size, new Set(order.slice(14)).size]).toEqual([14, 14]);
  }
});

test("faultOrder() is the same for the same seed, and another one for another", () => {
  expect(kindsOf(1, 40)).toEqual(kindsOf(1, 40));
  expect(kindsOf(1, 40)).not.toEqual(kindsOf(2, 40));
});
