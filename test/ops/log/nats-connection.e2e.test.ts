/**
 * How a gateway gets to its log on NATS: every kind of credentials, and what is said when there is no way in.
 * @module
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { loadConfig, problemLine } from "../../../src/ops/config/load.ts";
import { openLog } from "../../../src/ops/log/open-log.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { describeOnNats } from "../../support/nats-binary.ts";
import { natsJwt } from "../../support/nats-jwt.ts";
import { type NatsServerOptions, startNatsServer } from "../../support/nats-server.ts";
import { hasOpenssl, selfSigned } from "../../support/self-signed.ts";

const slowMs = 30_000;
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-nats-ways-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

type Flags = Readonly<Record<string, string>>;

/** What the log says of itself once a record is in it. */
async function opened(url: string, flags: Flags = {}) {
  const loaded = loadConfig({ flags: { log: url, ...flags }, env: {}, readFile: () => "" });
  if (!loaded.ok) throw new Error(loaded.problems.map(problemLine).join("; "));
  const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };
  const log = await openLog(loaded.config.log.store, ports, { client: "weir test", provision: true });
  try {
    const record = { topic: "a", id: "1", lane: 2, payload: new Uint8Array([1]) } as const;
    expect(await log.append({ records: [record] })).toMatchObject({ ok: true });
    return log.info();
  } finally {
    await log.close();
  }
}

/** Why it cannot be opened. */
function refusal(url: string, flags: Flags = {}): Promise<string> {
  return opened(url, flags).then(
    () => "opened",
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

function serverWith(config: string, options: NatsServerOptions = {}) {
  return startNatsServer({ ...options, config });
}

await describeOnNats("newest", "openLog()", () => {
  test(
    "gets in with user and password, and says so when they are refused",
    async () => {
      await using server = await serverWith(`authorization { user: weir, password: "open sesame" }`);
      const user = { "log.nats.user": "weir" };
      expect(await opened(server.url, { ...user, "log.nats.password": "open sesame" })).toMatchObject({ tier: "r1" });
      const address = server.url.slice("nats://".length);
      for (const flags of [{}, { ...user, "log.nats.password": "wrong" }])
        expect(await refusal(server.url, flags)).toBe(
          `LogOpenError: NATS at ${address} refuses these credentials (Authorization Violation): check log.nats.user and password, token, nkeyFile or credentialsFile`,
        );
    },
    slowMs,
  );

  test(
    "gets in with a token, and with the seed of an NKey among comments",
    async () => {
      const key = nkeys.createUser();
      await using tokens = await serverWith(`authorization { token: "a-token" }`);
      await using keys = await serverWith(`authorization { users: [{ nkey: ${key.getPublicKey()} }] }`);
      expect(await opened(tokens.url, { "log.nats.token": "a-token" })).toMatchObject({ lastSeq: 1 });
      const seed = new TextDecoder().decode(key.getSeed());
      const nkeyFile = file("user.nk", `# of the gateway\n${seed}\n`);
      expect(await opened(keys.url, { "log.nats.nkeyFile": nkeyFile })).toMatchObject({ lastSeq: 1 });
      const another = file("another.nk", new TextDecoder().decode(nkeys.createUser().getSeed()));
      expect(await refusal(keys.url, { "log.nats.nkeyFile": another })).toContain("refuses these credentials");
    },
    slowMs,
  );

  test(
    "gets in with a .creds file",
    async () => {
      const { config, creds } = await natsJwt();
      await using server = await serverWith(config);
      const credentialsFile = file("gateway.creds", creds);
      expect(await opened(server.url, { "log.nats.credentialsFile": credentialsFile })).toMatchObject({ lastSeq: 1 });
      const others = file("others.creds", (await natsJwt()).creds);
      expect(await refusal(server.url, { "log.nats.credentialsFile": others })).toContain("refuses these credentials");
    },
    slowMs,
  );

  test("names the file that cannot be read, or holds no credentials", async () => {
    const empty = file("empty", "nothing");
    const missing = join(folder, "missing");
    for (const setting of ["log.nats.nkeyFile", "log.nats.credentialsFile"]) {
      expect(await refusal("nats://127.0.0.1:1", { [setting]: missing })).toStartWith(
        `CliError: Cannot read ${missing}: ENOENT`,
      );
      expect(await refusal("nats://127.0.0.1:1", { [setting]: empty })).toStartWith(
        `CliError: ${empty} holds no NATS credentials: `,
      );
    }
  });

  test.skipIf(!hasOpenssl)(
    "speaks TLS with a server that it trusts, with a certificate of its own where one is asked for",
    async () => {
      const [theirs, ours] = [selfSigned(), selfSigned()];
      const [cert, key] = [file("server.pem", theirs.cert), file("server.key", theirs.key)];
      const [ownCert, ownKey] = [file("own.pem", ours.cert), file("own.key", ours.key)];
      await using one = await serverWith(`tls { cert_file: "${cert}", key_file: "${key}" }`);
      await using both = await serverWith(
        `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ownCert}", verify: true }`,
      );
      const ca = { "log.nats.tls.ca": cert };
      const own = { ...ca, "log.nats.tls.cert": ownCert, "log.nats.tls.key": ownKey };
      expect(await opened(one.url, ca)).toMatchObject({ lastSeq: 1 });
      expect(await opened(both.url, own)).toMatchObject({ lastSeq: 1 });
      expect(await refusal(one.url)).toMatch(
        /^LogOpenError: The certificate of NATS at .* is not trusted \(.+\): name/,
      );
      expect(await refusal(both.url, ca)).toMatch(/set log\.nats\.tls\.cert and log\.nats\.tls\.key/);
    },
    slowMs,
  );

  test(
    "takes the next of several servers when one is not there",
    async () => {
      await using server = await serverWith("");
      expect(await opened(`nats://127.0.0.1:1,${server.url}`)).toMatchObject({ lastSeq: 1 });
    },
    slowMs,
  );

  test("says where no server answers, and where one speaks no TLS", async () => {
    expect(await refusal("nats://127.0.0.1:1")).toBe(
      "LogOpenError: No NATS server answers at 127.0.0.1:1 (connection refused): start it, or correct log.url",
    );
    await using server = await serverWith("");
    expect(await refusal(server.url.replace("nats:", "tls:"))).toContain("speaks no TLS: use nats://");
  });

  test(
    "says where JetStream is off, for the server or for the user's account",
    async () => {
      const accounts = `accounts { WITH { jetstream: enabled }, WITHOUT { users: [{ user: a, password: b }] } }`;
      await using off = await serverWith("jetstream: disabled");
      await using none = await serverWith(accounts);
      expect(await refusal(off.url)).toMatch(/^LogOpenError: JetStream is not enabled at .+: add "jetstream \{\}"/);
      expect(await refusal(none.url, { "log.nats.user": "a", "log.nats.password": "b" })).toMatch(
        /^LogOpenError: This user's account at .+ has no JetStream \(JetStream not enabled for account\): enable it/,
      );
    },
    slowMs,
  );

  test("says that a server is too old", async () => {
    await using server = await startOldServer();
    expect(await refusal(`nats://127.0.0.1:${server.port}`)).toBe(
      `LogOpenError: nats-server 2.10.29 at 127.0.0.1:${server.port} is too old: Weir needs 2.11 or newer, update the servers`,
    );
  });
});

/** Says what nats-server 2.10 says: its answer about the account holds no API level. */
async function startOldServer(): Promise<AsyncDisposable & { readonly port: number }> {
  const info = {
    server_id: "OLD",
    version: "2.10.29",
    proto: 1,
    headers: true,
    max_payload: 1_048_576,
    jetstream: true,
  };
  const account = JSON.stringify({
    type: "io.nats.jetstream.api.v1.account_info_response",
    api: { total: 1, errors: 0 },
  });
  const server = createServer((socket) => {
    socket.write(`INFO ${JSON.stringify(info)} \r\n`);
    socket.on("error", () => undefined);
    const inboxes = new Map<string, string>();
    socket.on("data", (data) => {
      for (const line of data.toString().split("\r\n")) {
        const [verb, subject = "", ...rest] = line.split(" ");
        if (verb === "PING") socket.write("PONG\r\n");
        if (verb === "SUB") inboxes.set(subject.replace("*", ""), rest.at(-1) as string);
        if (verb !== "PUB") continue;
        const [reply = ""] = rest;
        const sid = inboxes.get(reply.slice(0, reply.lastIndexOf(".") + 1));
        socket.write(`MSG ${reply} ${sid} ${account.length}\r\n${account}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { port, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}
