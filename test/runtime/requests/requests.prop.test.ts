/**
 * Whatever happens to whom in which order, at whichever of three nodes: a request has at most one answer, and exactly one
 * unless its client gave it up; who was given it answers or hears CANCEL; and at the end nothing of it is left.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Frame } from "../../../src/protocol/frame.ts";
import type { SessionId } from "../../../src/protocol/ids.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { LocalHub, localBus } from "../../../src/runtime/bus/local.ts";
import type { Attachment, FrameOf } from "../../../src/runtime/features/feature.ts";
import { Counters } from "../../../src/runtime/metrics.ts";
import type { Ports } from "../../../src/runtime/ports.ts";
import { Requests } from "../../../src/runtime/requests/requests.ts";
import type { Services } from "../../../src/runtime/services.ts";
import type { Peer } from "../../../src/runtime/session/context.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const deadlineMs = 100;
const nodes = 3;
const payload = new Uint8Array([1]);

/** A client, as much of one as requests see. */
class Asker {
  readonly node: Node;
  readonly attachment: Attachment;
  /** How often each of its requests was answered; those that it gave up are not here. */
  readonly answers = new Map<number, number>();
  readonly givenUp = new Set<number>();
  /** Requests that it has to answer. */
  readonly todo = new Set<number>();
  gone = false;
  refs = 0;

  constructor(node: Node) {
    this.node = node;
    const send = (frame: Frame) => {
      this.#take(frame);
      return "sent" as const;
    };
    const identity = { subject: "", publish: [">"], subscribe: [">"] };
    const bounds = { ...limits, requestsServingMax: 3, requestDeadlineMs: deadlineMs };
    const peer = { send, identity, limits: bounds, bufferedBytes: () => 0 } as unknown as Peer;
    this.attachment = { session: "s" as SessionId, owner: 1, peer };
  }

  #take(frame: Frame): void {
    if (this.gone) throw new Error(`${frame.type} was sent to a client that has gone`);
    if (frame.type === "request") this.todo.add(frame.ref);
    else if (frame.type === "cancel") expect(this.todo.delete(frame.ref)).toBe(true);
    else if (frame.type === "response" || (frame.type === "error" && frame.ref !== undefined)) {
      expect(this.givenUp.has(frame.ref as number)).toBe(false);
      this.answers.set(frame.ref as number, (this.answers.get(frame.ref as number) ?? 0) + 1);
    }
  }

  say(frame: FrameOf<"requests">): void {
    if (!this.gone) void this.node.requests.receive(this.attachment, frame);
  }

  leave(): void {
    if (this.gone) return;
    this.gone = true;
    this.node.requests.detached(this.attachment);
  }
}

type Node = { readonly requests: Requests; readonly counters: Counters };

class Stage {
  readonly clock = new ManualClock();
  readonly #hub = new LocalHub();
  readonly #nodes = Array.from({ length: nodes }, (_, index) => this.#node(index));
  readonly askers = Array.from({ length: nodes * 2 }, (_, i) => new Asker(this.#nodes[i % nodes] as Node));

  #node(index: number): Node {
    const counters = new Counters();
    const random = { next: () => 0.5, token: () => `n${index}` };
    const ports = { clock: this.clock, bus: localBus(this.clock, this.#hub), random } as unknown as Ports;
    return { counters, requests: new Requests({ ports, counters } as Services) };
  }

  get open(): number {
    return this.#nodes.reduce((sum, { counters }) => sum + counters.requestsOpen + counters.requestsServing, 0);
  }

  /** Time passes, and promises settle. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed <= ms; passed += 10) {
      this.clock.advance(passed === 0 ? 0 : 10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

type Step =
  | { readonly do: "ask" | "serve" | "unserve" | "cancel" | "answer" | "leave"; readonly who: number }
  | { readonly do: "pass"; readonly ms: number };

const who = fc.nat({ max: nodes * 2 - 1 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom("ask", "ask", "ask", "serve", "answer", "answer", "cancel", "unserve", "leave"),
    who,
  }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 10, 50, deadlineMs) }),
) as fc.Arbitrary<Step>;

async function perform(stage: Stage, step: Step): Promise<void> {
  if (step.do === "pass") return await stage.pass(step.ms);
  const asker = stage.askers[step.who] as Asker;
  const ref = asker.refs;
  switch (step.do) {
    case "ask":
      asker.refs += 1;
      return asker.say({ type: "request", ref: asker.refs, topic: "t.1", payload });
    case "serve":
    case "unserve":
      return asker.say({ type: step.do, ref: 1_000_000, filter: "t.*" });
    case "cancel":
      if (asker.gone || ref === 0 || asker.answers.has(ref)) return;
      asker.givenUp.add(ref);
      return asker.say({ type: "cancel", ref });
    case "answer": {
      const [given] = asker.todo;
      if (given === undefined || asker.gone) return;
      asker.todo.delete(given);
      return asker.say({ type: "response", ref: given, payload });
    }
    case "leave":
      return asker.leave();
  }
}

test("every request ends once, at the latest after its deadline, over any order of asking, serving, answering and leaving", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 60 }), async (script) => {
      const stage = new Stage();
      for (const step of script) await perform(stage, step);
      await stage.pass(deadlineMs * 2 + 10);
      expect(stage.open).toBe(0);
      for (const asker of stage.askers) {
        if (!asker.gone) expect([...asker.todo]).toEqual([]);
        asker.answers.delete(1_000_000); // refusals of UNSERVE
        expect([...asker.answers.values()].every((count) => count === 1)).toBe(true);
        const ended = asker.answers.size + asker.givenUp.size;
        if (!asker.gone) expect(ended).toBe(asker.refs);
      }
    }),
    { numRuns: 60 },
  );
});
