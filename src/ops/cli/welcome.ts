/**
 * What `weir serve` says when it listens: where, and in development what to try first.
 *
 * Pure.
 * @module
 */
import type { Config } from "../config/profile.ts";
import type { AdminKey } from "../rest/admin-key.ts";

export type Listening = {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  /** The gateway's own process, not the launcher's. */
  readonly pid: number;
  /** Undefined: keys are configured. */
  readonly adminKey?: AdminKey | undefined;
};

export function welcomeText(listening: Listening, config: Config): string {
  const { hostname, port, secure, pid, adminKey } = listening;
  const host = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  const socketUrl = `${secure ? "wss" : "ws"}://${host}`;
  const first = `Weir listens on ${socketUrl} (${config.profile}, log ${config.log.url})`;
  if (config.profile !== "development") return adminKey === undefined ? first : `${first}\n${adminKeyText(adminKey)}`;
  const to = port === 8_080 && !secure ? "" : ` --url ${socketUrl}`;
  return [
    first,
    "",
    `  health     ${secure ? "https" : "http"}://${host}/health`,
    `  receive    npm run weir -- tail 'orders.>'${to}`,
    `  publish    npm run weir -- publish orders.eu.42 '{"total": 7}'${to}`,
    `  by hand    npx wscat -c ${socketUrl} -s weir.v1.json    then type {"type":"hello"}`,
    ...(config.log.store.kind === "memory"
      ? []
      : [`  kill it    kill -9 ${pid}    then start it again as you did: nothing is lost`]),
    `  dashboard  ${secure ? "https" : "http"}://${host}/dashboard`,
    `  manage     ${secure ? "https" : "http"}://${host}/docs`,
    ...(adminKey === undefined ? [] : [adminKeyText(adminKey)]),
    "",
    "Ctrl-C stops it.",
  ].join("\n");
}

/** The key itself is told once, when it was made. */
function adminKeyText({ told, path }: AdminKey): string {
  if (told === undefined) return `  admin key  in ${path}`;
  return `  admin key  ${told}    ${path === undefined ? "good until it stops" : `kept in ${path}`}`;
}
