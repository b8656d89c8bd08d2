/**
 * What is broken in a cluster, and in which order: every kind of fault comes once before any comes again. The seed
 * decides their order, at which target, and for how long.
 * @module
 */
import { type Chance, chanceFrom } from "../sim/random.ts";
import type { TcpProxy } from "../support/nats-proxy.ts";

/** A process that is killed, stood still, and perhaps told to end. */
export type Victim = {
  kill(): Promise<void>;
  stop?(): Promise<void>;
  pause(): Promise<void> | void;
  continue(): void;
  /** After `kill` or `stop`. */
  start(): Promise<void> | void;
};
/** All connections between two sides. */
export type Link = readonly TcpProxy[];

export type Targets = {
  readonly servers: readonly Victim[];
  readonly gateways: readonly Victim[];
  readonly clients: readonly Victim[];
  /** One for each gateway. */
  readonly natsLinks: readonly Link[];
  readonly clientLinks: readonly Link[];
};

type Step = () => Promise<void> | void;
type Kind = { readonly name: string; readonly faults: readonly { readonly begin: Step; readonly end: Step }[] };
export type Planned = {
  readonly kind: string;
  readonly begin: Step;
  readonly end: Step;
  /** Before it. */
  readonly calmMs: number;
  /** From its begin to its end. */
  readonly holdMs: number;
};

const calmMs = { min: 500, max: 2_500 };
const holdMs = { min: 500, max: 6_000 };
/** Longer than it takes a gateway and a client to give up a connection that says nothing (10 s of pings). */
const longHoldMs = 14_000;
const longShare = 0.15;

export function faultKinds({ servers, gateways, clients, natsLinks, clientLinks }: Targets): readonly Kind[] {
  return [
    ...ofProcesses("server", servers),
    ...ofProcesses("gateway", gateways),
    ...ofProcesses("client", clients),
    ...ofLinks("gateway–NATS", natsLinks),
    ...ofLinks("client–gateway", clientLinks),
  ];
}

function ofProcesses(what: string, victims: readonly Victim[]): Kind[] {
  const stopped = victims.flatMap((victim) => {
    const { stop } = victim;
    return stop === undefined ? [] : [{ begin: () => stop.call(victim), end: () => victim.start() }];
  });
  return [
    { name: `${what} SIGKILL`, faults: victims.map((one) => ({ begin: () => one.kill(), end: () => one.start() })) },
    ...(stopped.length === 0 ? [] : [{ name: `${what} SIGTERM`, faults: stopped }]),
    {
      name: `${what} SIGSTOP`,
      faults: victims.map((one) => ({ begin: () => one.pause(), end: () => one.continue() })),
    },
  ];
}

function ofLinks(what: string, links: readonly Link[]): Kind[] {
  const each = (link: Link, act: (proxy: TcpProxy) => void) => () => link.forEach(act);
  const kind = (name: string, act: (proxy: TcpProxy) => void): Kind => ({
    name: `${what} ${name}`,
    faults: links.map((link) => ({ begin: each(link, act), end: each(link, (proxy) => proxy.mend()) })),
  });
  return [
    kind("TCP cut", (proxy) => proxy.cut()),
    kind("TCP stall", (proxy) => proxy.stall()),
    kind("answers lost, then TCP cut", (proxy) => proxy.deafen()),
  ];
}

/** Without end. */
export function* faultOrder(kinds: readonly Kind[], seed: number): Generator<Planned, never> {
  const chance = chanceFrom(seed);
  for (;;) {
    for (const { name, faults } of shuffled(kinds, chance)) {
      const isLong = chance.hit(longShare);
      const lasts = isLong ? longHoldMs : chance.int(holdMs.min, holdMs.max);
      yield { kind: name, ...chance.pick(faults), calmMs: chance.int(calmMs.min, calmMs.max), holdMs: lasts };
    }
  }
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  const left = [...items];
  return items.map(() => left.splice(chance.int(0, left.length - 1), 1)[0] as T);
}
