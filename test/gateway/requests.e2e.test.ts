/**
 * Request/reply over two gateways on one nats-server, with the SDK: the other node serves, dies, is asked from everywhere.
 */
import { expect, test } from "bun:test";
import { type Client, connect, WeirError } from "../../src/client/mod.ts";
import { requests } from "../../src/client/requests.ts";
import { describeOnNats, natsLines } from "../support/nats-binary.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { sharedLog } from "./shared-stage.ts";
import { until } from "./stage.ts";

async function twoGateways(line: (typeof natsLines)[number]) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startNatsServer({ line }));
  const log = sharedLog(server.url);
  const gateways = [stack.use(await log.gateway()), stack.use(await log.gateway())] as const;
  const open = async (at: 0 | 1): Promise<Client> => {
    const client = connect(`ws://127.0.0.1:${gateways[at].port}/`, { reconnect: { minMs: 1, maxMs: 50 } });
    stack.defer(() => client.close());
    await client.connected();
    return client;
  };
  return { gateways, open, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Serves on the client, with its name in each answer; resolves when it is known. */
async function serving(client: Client, name: string, filter: string): Promise<void> {
  await requests(client).serve(filter, (request) => `${name}: ${request.json<string>()}`).ready;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "none",
    (error: unknown) => (error instanceof WeirError ? error.code : String(error)),
  );
}

/** A process of its own that takes a request and never answers it. */
const client = `${import.meta.dir}/../../src/client`;
const stuckResponder = `
  import { connect } from ${JSON.stringify(`${client}/mod.ts`)};
  import { requests } from ${JSON.stringify(`${client}/requests.ts`)};
  const never = new Promise(() => undefined);
  await requests(connect(process.env.WEIR_URL)).serve("t", () => (console.log("asked"), never)).ready;
  console.log("serves");
`;

for (const line of natsLines) {
  await describeOnNats(line, "requests over two gateways", () => {
    test("a client of one gateway is answered by one of the other, and by turns by those of both", async () => {
      await using stage = await twoGateways(line);
      const [asker, far] = [await stage.open(0), await stage.open(1)];
      const api = requests(asker);
      expect(await codeOf(api.request("t.1", "q"))).toBe("noResponders");
      await serving(far, "far", "t.*");
      const first = await api.request("t.1", "q", { headers: { "with space": "ü", k: "v" } });
      expect(first.json<string>()).toBe("far: q");
      await serving(asker, "near", "t.>");
      const answers = await Promise.all(Array.from({ length: 40 }, () => api.request("t.1", "q")));
      const names = new Set(answers.map((answer) => answer.json<string>()));
      expect([answers.length, [...names].sort()]).toEqual([40, ["far: q", "near: q"]]);
    });

    test("headers and the responder's error cross nodes; a time that is over and a cancellation reach the responder", async () => {
      await using stage = await twoGateways(line);
      const [asker, far] = [await stage.open(0), await stage.open(1)];
      const api = requests(asker);
      const started: string[] = [];
      const ends = new Map<string, Promise<void>>();
      const handler = requests(far).serve("work.*", async ({ topic, headers, signal }) => {
        if (topic === "work.fails") throw new Error(`no ${headers["with space"]}`);
        const end = Promise.withResolvers<void>();
        ends.set(topic, end.promise);
        signal.addEventListener("abort", () => end.resolve());
        started.push(topic);
        await end.promise;
      });
      await handler.ready;
      const failing = api.request("work.fails", 1, { headers: { "with space": "ü" } });
      expect(await failing.catch((error: WeirError) => [error.code, error.message])).toEqual([
        "responderError",
        "no ü",
      ]);
      expect(await codeOf(api.request("work.late", 1, { timeoutMs: 200 }))).toBe("deadlineExceeded");
      await ends.get("work.late");
      const controller = new AbortController();
      const cancelled = codeOf(api.request("work.cancelled", 1, { signal: controller.signal, timeoutMs: 60_000 }));
      const gone = codeOf(api.request("work.gone", 1, { timeoutMs: 60_000 }));
      await until(() => started.length === 3, "all three are being worked on");
      controller.abort();
      expect(await cancelled).toBe("aborted");
      await ends.get("work.cancelled");
      await asker.close();
      expect(await gone).toBe("closed");
      await ends.get("work.gone");
    });

    test("a responder whose gateway ends in the middle fails its request, and another one is asked next", async () => {
      await using stage = await twoGateways(line);
      const [asker, far] = [await stage.open(0), await stage.open(1)];
      const api = requests(asker);
      const started = Promise.withResolvers<void>();
      await requests(far).serve("t", () => {
        started.resolve();
        return new Promise(() => undefined);
      }).ready;
      const dying = codeOf(api.request("t", 1, { timeoutMs: 60_000 }));
      await started.promise;
      const ending = stage.gateways[1][Symbol.asyncDispose]();
      expect(await dying).toBe("responderFailed");
      await ending;
      await serving(asker, "near", "t");
      expect((await api.request("t", "q")).json<string>()).toBe("near: q");
    });

    test("a responder that is killed in the middle fails its request at once, on another node too", async () => {
      await using stage = await twoGateways(line);
      const api = requests(await stage.open(0));
      const child = Bun.spawn([process.execPath, "-e", stuckResponder], {
        env: { ...process.env, WEIR_URL: `ws://127.0.0.1:${stage.gateways[1].port}/` },
        stdout: "pipe",
      });
      const said = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      expect((await said.read()).value).toBe("serves\n");
      const dying = codeOf(api.request("t", 1, { timeoutMs: 60_000 }));
      expect((await said.read()).value).toBe("asked\n");
      child.kill("SIGKILL");
      expect(await dying).toBe("responderFailed");
      await child.exited;
      expect(await codeOf(api.request("t", 1))).toBe("noResponders");
    });

    test("a client that changes to the other gateway serves on there", async () => {
      await using stage = await twoGateways(line);
      const asker = await stage.open(0);
      const urls = [1, 0].map((at) => `ws://127.0.0.1:${stage.gateways[at as 0 | 1].port}/`);
      const moving = connect(urls, { reconnect: { minMs: 1, maxMs: 50 } });
      await serving(moving, "moving", "t");
      const resumed = Promise.withResolvers<void>();
      moving.on("resumed", () => resumed.resolve());
      await stage.gateways[1][Symbol.asyncDispose]();
      await resumed.promise;
      const api = requests(asker);
      await until(async () => (await codeOf(api.request("t", "q"))) === "none", "it serves again");
      expect((await api.request("t", "q")).json<string>()).toBe("moving: q");
      await moving.close();
    });
  });
}
