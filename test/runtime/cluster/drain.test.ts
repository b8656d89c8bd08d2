import { describe, expect, test } from "bun:test";
import { type Destination, Drain, type DrainClient, type DrainRequest } from "../../../src/runtime/cluster/drain.ts";
import type { DrainTarget } from "../../../src/runtime/cluster/drain-plan.ts";
import { VirtualClock } from "../../client/world.ts";

class FakeClient implements DrainClient {
  gone = false;
  sentTo: Destination | undefined;
  ended: string | undefined;
  session: string | undefined;
  constructor(session: string | undefined) {
    this.session = session;
  }
  sendTo(destination: Destination): void {
    this.sentTo = destination;
  }
  end(_reason: string, cause: string): void {
    this.ended = cause;
    this.gone = true;
  }
}

const target = (node: string): DrainTarget => ({ node, url: `ws://${node}/`, weight: 1, connections: 0 });

function draining(clients: FakeClient[], request: Partial<DrainRequest> = {}, targets: DrainTarget[] = [target("b")]) {
  const clock = new VirtualClock();
  const startedAt = clock.now();
  const drain = new Drain(
    {
      clock,
      random: { next: () => 0.5, token: () => "" },
      logger: { log: () => undefined },
      clients: () => clients.filter(({ gone }) => !gone),
      targets: () => targets,
      perSecondMax: () => 2,
      ticket: ({ node, session }) => Promise.resolve(`${session} to ${node}`),
    },
    { reason: "deploy", ...request },
  );
  return { clock, drain, startedAt };
}
const clientsOf = (count: number) => Array.from({ length: count }, (_, i) => new FakeClient(`s${i}`));

describe("Drain", () => {
  test("gives as many clients a ticket and a slot as the rate allows, the others in the waves that follow", async () => {
    const clients = clientsOf(5);
    const { clock, drain, startedAt } = draining(clients);
    await clock.settle();
    const slots = () => clients.map(({ sentTo }) => sentTo && [sentTo.ticket, sentTo.at - startedAt]);
    expect(slots()).toEqual([["s0 to b", 0], ["s1 to b", 500], undefined, undefined, undefined]);
    expect(drain.view()).toMatchObject({ state: "moving", waiting: 3, sent: 2, gone: 0, closed: 0 });
    await clock.advance(2_000);
    expect(slots().slice(2)).toEqual([
      ["s2 to b", 1_000],
      ["s3 to b", 1_500],
      ["s4 to b", 2_000],
    ]);
  });

  test("ends when everybody has gone, and closes who has not some time after its slot", async () => {
    const clients = clientsOf(2);
    const { clock, drain } = draining(clients);
    await clock.settle();
    (clients[0] as FakeClient).gone = true;
    await clock.advance(4_000);
    expect([drain.view().gone, clients[1]?.ended]).toEqual([1, undefined]);
    await clock.advance(3_000);
    expect(clients[1]?.ended).toBe("draining");
    await drain.ended;
    expect(drain.view()).toMatchObject({ state: "done", waiting: 0, sent: 0, gone: 2, closed: 1 });
  });

  test("closes a client that knows no tickets in its slot, and leaves one alone that is in its handshake", async () => {
    const clients = [new FakeClient(undefined), new FakeClient("")];
    const { clock } = draining(clients);
    await clock.advance(1_000);
    expect(clients.map(({ ended, sentTo }) => [ended, sentTo])).toEqual([
      ["draining", undefined],
      [undefined, undefined],
    ]);
    (clients[1] as FakeClient).session = "s1";
    await clock.advance(1_000);
    expect(clients[1]?.sentTo?.node).toBe("b");
  });

  test("takes a share of those who are here when it begins, and nobody else", async () => {
    const clients = clientsOf(4);
    const { clock, drain } = draining(clients, { share: 0.5 });
    clients.push(new FakeClient("late"));
    await clock.advance(3_000);
    expect([drain.whole, clients.filter(({ sentTo }) => sentTo !== undefined).length]).toEqual([false, 2]);
  });

  test("closes all at once where there is nowhere to go, and waits where there was a moment ago", async () => {
    const alone = clientsOf(3);
    const { clock: first } = draining(alone, {}, []);
    await first.settle();
    expect(alone.map(({ ended }) => ended)).toEqual(["draining", "draining", "draining"]);
    const targets = [target("b")];
    const clients = clientsOf(4);
    const { clock } = draining(clients, {}, targets);
    await clock.settle();
    targets.length = 0;
    await clock.advance(4_000);
    expect(clients.map(({ ended }) => ended)).toEqual([undefined, undefined, undefined, undefined]);
    await clock.advance(2_000);
    expect(clients.map(({ ended }) => ended)).toEqual(["draining", "draining", "draining", "draining"]);
  });

  test("sends nobody away any more when it is called off", async () => {
    const clients = clientsOf(4);
    const { clock, drain } = draining(clients);
    await clock.settle();
    drain.stop();
    await clock.advance(30_000);
    expect(clients.map(({ sentTo, ended }) => [sentTo !== undefined, ended])).toEqual([
      [true, undefined],
      [true, undefined],
      [false, undefined],
      [false, undefined],
    ]);
  });
});
