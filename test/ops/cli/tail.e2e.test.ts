/** `weir tail` while its session is lost: nobody is left to guess what the numbers that follow mean. */
import { expect, test } from "bun:test";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { serveWeir, startWeir } from "../../support/weir-command.ts";

test("weir tail says on standard error that its session was lost, why, and where it goes on", async () => {
  await using gateway = await serveWeir(["--log", "memory", "--security.apiKeys", `otto:operator:${keyDigest("his")}`]);
  const headers = { Authorization: "Bearer his", "Content-Type": "application/json" };
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${gateway.http}/api/v1/${path}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(response.status).toBe(200);
    return await response.json();
  };
  const publish = (text: string) => ask("POST", "publish", { records: [{ topic: "a", text }] });
  const tail = startWeir(["tail", "a", "--limit", "2", "--format", "payload", "--url", gateway.url]);
  try {
    type Held = { readonly items: readonly { readonly session: string }[] };
    let held: Held = { items: [] };
    while (held.items.length === 0) held = (await ask("GET", "subscriptions?filter=a")) as Held;
    const { session = "" } = held.items[0] ?? {};
    await publish("first");
    const out = tail.stdout.getReader();
    expect(new TextDecoder().decode((await out.read()).value)).toBe("first\n");
    await ask("POST", `sessions/${session}/expire`);
    const said = new TextDecoder().decode((await tail.stderr.getReader().read()).value);
    expect(said).toMatch(new RegExp(`^weir: Session ${session} was lost \\([^)]+\\), a new one goes on [^\\n]+\\n$`));
    await publish("second");
    expect(new TextDecoder().decode((await out.read()).value)).toBe("second\n");
    expect(await tail.exited).toBe(0);
  } finally {
    tail.kill("SIGKILL");
  }
}, 60_000);
