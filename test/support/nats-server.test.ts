/**
 * The servers that other tests rely on: they keep what they acknowledged, and they do what the controls say.
 * @module
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection, RequestError } from "@nats-io/transport-node";
import { describeOnNats, natsLines } from "./nats-binary.ts";
import { startNatsCluster } from "./nats-cluster.ts";
import { startTcpProxy } from "./nats-proxy.ts";
import { startNatsServer } from "./nats-server.ts";

const clusterMsMax = 60_000;

/** A fresh connection, so that no reconnect of an earlier one is waited for. */
async function ask<T>(url: string, body: (client: NatsConnection) => Promise<T>): Promise<T> {
  const client = await connect({ servers: url, reconnect: false });
  try {
    return await body(client);
  } finally {
    await client.close();
  }
}

/** A stream's subjects reach the other servers of a cluster a moment after it was made. */
async function publish(client: NatsConnection, subject: string): Promise<number> {
  for (const end = Date.now() + clusterMsMax / 2; ; await Bun.sleep(20)) {
    try {
      return (await client.request(subject, "payload")).json<{ seq: number }>().seq;
    } catch (error) {
      if (!(error instanceof RequestError && error.isNoResponders()) || Date.now() > end) throw error;
    }
  }
}

const stream = (replicas: number) => ({ name: "S", subjects: ["s.>"], num_replicas: replicas });

for (const line of natsLines) {
  await describeOnNats(line, "startNatsServer()", () => {
    test("keeps port and store over kill() and restart()", async () => {
      await using server = await startNatsServer({ line });
      const { url, pid } = server;
      await ask(url, async (client) => {
        await (await jetstreamManager(client)).streams.add(stream(1));
        expect(await publish(client, "s.a")).toBe(1);
      });
      await server.kill();
      expect(server.running).toBe(false);
      await server.restart();
      expect(server.url).toBe(url);
      expect(server.pid).not.toBe(pid);
      expect(await ask(url, (client) => publish(client, "s.a"))).toBe(2);
    });

    test("holds a client without an answer between pause() and continue()", async () => {
      await using server = await startNatsServer({ line });
      await ask(server.url, async (client) => {
        await server.pause();
        const answered = client.flush().then(() => "answered");
        expect(await Promise.race([answered, Bun.sleep(200).then(() => "silent")])).toBe("silent");
        server.continue();
        expect(await answered).toBe("answered");
      });
    });

    test("takes more configuration, and says why it cannot start with a wrong one", async () => {
      const users = "accounts { A { users: [{ user: a, password: secret }], jetstream: enabled } }";
      await using server = await startNatsServer({ line, config: users });
      await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow();
      const client = await connect({ servers: server.url, user: "a", pass: "secret" });
      expect((await client.request("$JS.API.INFO")).json()).toMatchObject({ streams: 0 });
      await client.close();
      await expect(startNatsServer({ line, config: "nonsense: [" })).rejects.toThrow(/ended before it was ready/);
    });

    test("leaves neither process nor files when disposed of, also while paused", async () => {
      const server = await startNatsServer({ line });
      const { pid, storeDir } = server;
      await server.pause();
      await server[Symbol.asyncDispose]();
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      expect(existsSync(storeDir)).toBe(false);
    });

    test("does not outlive a process that is killed", async () => {
      const module = JSON.stringify(new URL("./nats-server.ts", import.meta.url).href);
      const script = `const { startNatsServer } = await import(${module});
        const server = await startNatsServer({ line: "${line}" });
        console.log(server.port); setInterval(() => undefined, 1_000);`;
      const owner = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
      const port = Number(await firstLine(owner.stdout));
      const client = await connect({ port, reconnect: false });
      owner.kill("SIGKILL");
      // Its end closes the connection.
      await client.closed();
      await expect(connect({ port, reconnect: false })).rejects.toThrow();
    });
  });
}

// An election takes most of ten seconds, so each line has one.
await describeOnNats("floor", "startNatsCluster()", () => {
  test(
    "elects another leader of a stream when the one that leads it is killed",
    async () => {
      await using cluster = await startNatsCluster({ line: "floor" });
      await ask(cluster.urls[0] ?? "", async (client) => {
        await (await jetstreamManager(client)).streams.add(stream(3));
        expect(await publish(client, "s.a")).toBe(1);
      });
      const leader = await cluster.leaderOf("S");
      await leader.kill();
      const next = await cluster.ledByAnother("S", leader);
      expect(cluster.nodes).toContain(next);
      expect(await ask(next.url, (client) => publish(client, "s.a"))).toBe(2);
      await leader.restart();
      await cluster.settled("S");
    },
    clusterMsMax,
  );
});

await describeOnNats("newest", "startNatsCluster()", () => {
  test(
    "isolate() takes the lead from a node that its clients still reach, until heal()",
    async () => {
      await using cluster = await startNatsCluster({ line: "newest", proxiedRoutes: true });
      await ask(cluster.urls[0] ?? "", async (client) => {
        await (await jetstreamManager(client)).streams.add(stream(3));
      });
      const leader = await cluster.leaderOf("S");
      cluster.isolate(leader);
      const next = await cluster.ledByAnother("S", leader);
      expect(await ask(next.url, (client) => publish(client, "s.a"))).toBe(1);
      expect(await ask(leader.url, (client) => client.flush())).toBeUndefined();
      cluster.heal();
      await cluster.settled("S");
      expect(await ask(leader.url, (client) => publish(client, "s.a"))).toBe(2);
    },
    clusterMsMax,
  );
});

await describeOnNats("floor", "startTcpProxy()", () => {
  test("lets traffic through, and none while it stalls or after it cut", async () => {
    await using server = await startNatsServer({ line: "floor" });
    await using proxy = await startTcpProxy(server.port);
    const client = await connect({ port: proxy.port, reconnect: false });
    await client.flush();
    proxy.stall();
    const answered = client.flush().then(() => "answered");
    expect(await Promise.race([answered, Bun.sleep(200).then(() => "silent")])).toBe("silent");
    proxy.mend();
    expect(await answered).toBe("answered");
    proxy.cut();
    await client.closed();
    await expect(connect({ port: proxy.port, reconnect: false })).rejects.toThrow();
  });

  test("delay() holds back what goes through", async () => {
    await using server = await startNatsServer({ line: "floor" });
    await using proxy = await startTcpProxy(server.port);
    const client = await connect({ port: proxy.port });
    proxy.delay(100);
    expect(await client.rtt()).toBeGreaterThanOrEqual(199);
    await client.close();
  });
});

async function firstLine(output: ReadableStream<Uint8Array>): Promise<string> {
  for await (const chunk of output) return new TextDecoder().decode(chunk).trim();
  throw new Error("It ended without a line");
}
