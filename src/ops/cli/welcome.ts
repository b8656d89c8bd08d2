/**
 * What `weir serve` says when it listens: where, and in development what to try first.
 *
 * Pure.
 * @module
 */
import type { Config } from "../config/profile.ts";

export type Listening = {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  /** The gateway's own process, not the launcher's. */
  readonly pid: number;
};

export function welcomeText(listening: Listening, config: Config): string {
  const { hostname, port, secure, pid } = listening;
  const host = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  const socketUrl = `${secure ? "wss" : "ws"}://${host}`;
  const first = `Weir listens on ${socketUrl} (${config.profile}, log ${config.log.url})`;
  if (config.profile !== "development") return first;
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
      : [`  kill it    kill -9 ${pid}    then npm start again: nothing is lost`]),
    "",
    "Ctrl-C stops it.",
  ].join("\n");
}
