/**
 * Presence through the SDK: on one gateway with its log in memory, and on two gateways that are processes of their own on a
 * real nats-server, one of which is killed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Client } from "../../src/client/mod.ts";
import { connect } from "../../src/client/mod.ts";
import { presence } from "../../src/client/presence.ts";
import { GatewayProcess } from "../kill/gateway-process.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { claimPort } from "../support/nats-port.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { type ServingGateway, serveWeir, weir } from "../support/weir-command.ts";
import { until } from "./stage.ts";

const env = { WEIR_WEBSOCKET__LIMITS__PRESENCE_GRACE_MS: "2000" };

/** Who is there, by what they say. */
async function who(client: Client, topic: string): Promise<readonly string[]> {
  const { members } = await presence(client).list(topic);
  return members.map((member) => member.json<string>()).sort();
}

describe("presence on one gateway", () => {
  let gateway: ServingGateway;
  beforeAll(async () => {
    gateway = await serveWeir(["--log", "memory"]);
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  test("three hundred members are listed whole, counted in the metrics and printed by the command, and go with their sessions", async () => {
    const clients = Array.from({ length: 300 }, () => connect(gateway.url, { resumeWindowMs: 0 }));
    await Promise.all(clients.map((client, i) => presence(client).track("hall", `c${i}`)));
    expect(await who(clients[0] as Client, "hall")).toEqual(clients.map((_, i) => `c${i}`).sort());
    const members = async (): Promise<string | undefined> =>
      /^weir_presence_members (\d+)$/m.exec(await (await fetch(`${gateway.http}/metrics`)).text())?.[1];
    expect(await members()).toBe("300");
    const printed = await weir(["presence", "hall", "--url", gateway.url, "--limit", "3"]);
    expect([printed.exitCode, printed.err]).toEqual([0, ""]);
    expect(printed.out.split("\n")).toHaveLength(6);
    expect(printed.out).toContain("… and 297 more: --limit 300 shows all");
    await Promise.all(clients.map((client) => client.close()));
    await until(async () => (await members()) === "0", "all are gone with their sessions");
    const nobody = await weir(["presence", "hall", "--url", gateway.url]);
    expect(nobody.out).toBe("Nobody is present on hall\n");
  });
});

await describeOnNats("newest", "presence on two gateways", () => {
  test("members of both are shown on both; those of a killed gateway stay when they come back in time, else they go", async () => {
    await using server = await startNatsServer();
    const ports = [await claimPort(), await claimPort()] as const;
    const [first, second] = ports.map(({ port }, i) => {
      return new GatewayProcess(port, server.url, { ...env, WEIR_DISCOVERY__NODE: `n${i + 1}` });
    }) as [GatewayProcess, GatewayProcess];
    await Promise.all([first.start(), second.start()]);
    const both = [first.url, second.url];
    const [watcher, moves, stays] = [connect(second.url), connect(both), connect(first.url)];
    const notes: string[] = [];
    const watch = presence(watcher).watch("room", {
      onJoin: (member) => notes.push(`+${member.json()}`),
      onLeave: (member) => notes.push(`-${member.json()}`),
    });
    await watch.ready;
    await Promise.all([presence(moves).track("room", "moves"), presence(stays).track("room", "stays")]);
    await until(() => notes.length === 2, "both are shown on the other gateway");
    expect(await who(watcher, "room")).toEqual(["moves", "stays"]);
    await first.kill();
    // One client goes on at the other gateway, one has only the dead one.
    await until(() => notes.length > 2, "the one that does not come back leaves", 20_000);
    expect(notes.slice(2)).toEqual(["-stays"]);
    expect(await who(watcher, "room")).toEqual(["moves"]);
    await first.start();
    await until(() => notes.length > 3, "and is shown when its gateway is there again");
    expect(notes.slice(3)).toEqual(["+stays"]);
    await Promise.all([watcher, moves, stays].map((client) => client.close()));
    await Promise.all([first.stop(), second.stop()]);
    for (const port of ports) port.release();
  });
});
