/**
 * Decides which event log the settings name, and whether what they say of it goes together.
 *
 * Pure.
 * @module
 */
import type { Contradiction } from "./profile.ts";
import type { Settings } from "./schema.ts";

/** How a gateway shows NATS who it is. Files are paths. */
export type NatsCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "nkey"; readonly seedFile: string }
  | { readonly kind: "jwt"; readonly credentialsFile: string };

/** PEM files; `required` without any of them: the server's certificate is checked with the system's authorities. */
export type NatsTls = { readonly ca?: string; readonly cert?: string; readonly key?: string };

export type NatsLogConfig = {
  readonly kind: "nats";
  /** As `127.0.0.1:4222`. */
  readonly servers: readonly string[];
  readonly name: string;
  readonly credentials: NatsCredentials;
  /** Absent: TLS when the server asks for it. */
  readonly tls?: NatsTls;
  /** Where the servers tell how they run, `http://10.0.0.1:8222`. */
  readonly monitoring: readonly string[];
};
export type LogStore =
  | { readonly kind: "memory" }
  | { readonly kind: "embedded"; readonly directory: string }
  | NatsLogConfig;

const natsUrl = /^(nats|tls):\/\//;
const expected = "must be embedded:<directory>, memory or nats://<host>:<port>[,nats://…]";

export function logUrlProblem(url: string): string | undefined {
  if (/^embedded:.+/.test(url) || url === "memory" || url === "memory:") return undefined;
  if (!natsUrl.test(url)) return `${expected}, got "${url.slice(0, 200)}"`;
  for (const server of url.split(",")) {
    if (!natsUrl.test(server) || !URL.canParse(server)) return `${expected}, got "${withoutSecrets(server)}"`;
    const { hostname, username, password, pathname, search, hash } = new URL(server);
    if (username !== "" || password !== "")
      return `must not hold user or password, which other users of this machine can see: set log.nats.user and log.nats.password, got "${withoutSecrets(server)}"`;
    if (hostname === "" || !["", "/"].includes(pathname) || search !== "" || hash !== "")
      return `${expected}, got "${server.slice(0, 200)}"`;
  }
  return undefined;
}

function withoutSecrets(server: string): string {
  return server.replace(/\/\/[^@/]*@/, "//…@").slice(0, 200);
}

export function decideLogStore({ url, nats }: Settings["log"], contradictions: Contradiction[]): LogStore {
  if (natsUrl.test(url)) return decideNats(url, nats, contradictions);
  const { name: _, ...given } = nats;
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`log.nats.${name}`]));
  if (names.length > 0)
    contradictions.push({
      settings: names,
      message: `Only a log on NATS takes ${names.join(", ")}, and log.url is ${url}`,
    });
  if (url.startsWith("embedded:")) return { kind: "embedded", directory: url.slice("embedded:".length) };
  return { kind: "memory" };
}

function decideNats(url: string, nats: Settings["log"]["nats"], contradictions: Contradiction[]): NatsLogConfig {
  const servers = url.split(",");
  const { name, monitoring = [], tls } = nats;
  const asksForTls = servers.some((server) => server.startsWith("tls://"));
  if ((tls?.cert === undefined) !== (tls?.key === undefined))
    contradictions.push({ settings: ["log.nats.tls"], message: "Expected cert and key together, got one of them" });
  const files = Object.fromEntries(Object.entries(tls ?? {}).filter(([, path]) => path !== undefined)) as NatsTls;
  return {
    kind: "nats",
    servers: servers.map((server) => server.replace(natsUrl, "").replace(/\/$/, "")),
    name,
    credentials: decideCredentials(nats, contradictions),
    ...(asksForTls || tls !== undefined ? { tls: files } : {}),
    monitoring: monitoring.map((one) => one.replace(/\/$/, "")),
  };
}

function decideCredentials(nats: Settings["log"]["nats"], contradictions: Contradiction[]): NatsCredentials {
  const { user, password, token, nkeyFile, credentialsFile } = nats;
  const found: NatsCredentials[] = [];
  if (user !== undefined && password !== undefined) found.push({ kind: "password", user, password });
  else if (user !== undefined || password !== undefined)
    contradictions.push({
      settings: ["log.nats.user", "log.nats.password"],
      message: "Expected log.nats.user and log.nats.password together, got one of them",
    });
  if (token !== undefined) found.push({ kind: "token", token });
  if (nkeyFile !== undefined) found.push({ kind: "nkey", seedFile: nkeyFile });
  if (credentialsFile !== undefined) found.push({ kind: "jwt", credentialsFile });
  if (found.length > 1)
    contradictions.push({
      settings: ["user", "password", "token", "nkeyFile", "credentialsFile"].map((one) => `log.nats.${one}`),
      message: `Expected one of user and password, token, nkeyFile, credentialsFile, got ${found.length}`,
    });
  return found[0] ?? { kind: "none" };
}
