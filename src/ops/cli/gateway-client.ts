/**
 * How the commands reach a gateway: the options that all of them share, and what is said when nobody answers.
 * @module
 */
import { type Client, type ConnectOptions, connect, type Unlisten } from "../../client/mod.ts";
import { wholeNumber } from "./arguments.ts";
import { CliError, exitCodes, usageError } from "./exit-code.ts";

export const gatewayArgs = {
  url: { type: "string", description: "Gateway; or set WEIR_URL", default: "ws://127.0.0.1:8080", valueHint: "url" },
  token: { type: "string", description: "JWT; or set WEIR_TOKEN, which other users cannot see", valueHint: "jwt" },
} as const;

const answerWithinMs = 10_000;
/** Enough to start a gateway by hand in another terminal. */
const publishWaitSeconds = 60;
const publishWaitSecondsMax = 86_400;

export const waitArgs = {
  wait: {
    type: "string",
    description: "Seconds to wait for the gateway's answer",
    default: String(publishWaitSeconds),
    valueHint: "seconds",
  },
} as const;

export function waitMs(args: { readonly wait: string }): number {
  return wholeNumber("wait", args.wait, { min: 1, max: publishWaitSecondsMax }) * 1_000;
}

export type Gateway = { readonly url: string; readonly token: string | undefined };

/** Flags win over the environment, which wins over the default. `rawArgs` tells a flag from its default. */
export function gatewayOf(args: { readonly url: string; readonly token?: string | undefined }): Gateway {
  const { WEIR_URL, WEIR_TOKEN } = process.env;
  const url = args.url === gatewayArgs.url.default ? (WEIR_URL ?? args.url) : args.url;
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol)) {
    throw usageError(`--url must be a WebSocket address as ws://127.0.0.1:8080, got "${url}"`);
  }
  const token = args.token ?? WEIR_TOKEN;
  if (token !== undefined && !jwtShape.test(token)) {
    const name = args.token === undefined ? "WEIR_TOKEN" : "--token";
    throw usageError(
      `${name} must be a JWT, three parts joined by dots: an API key is for commands with an http:// address, set it as WEIR_API_KEY`,
    );
  }
  return { url, token };
}

const jwtShape = /^[\w-]+\.[\w-]+\.[\w-]*$/;

export function openClient(gateway: Gateway, options: ConnectOptions = {}): Client {
  const token = gateway.token === undefined ? {} : { token: gateway.token };
  return connect(gateway.url, { agent: "weir-cli", ...token, ...options });
}

export type Waiting = { readonly client: Client; readonly gateway: Gateway; readonly withinMs?: number };

/** The SDK goes on trying for ever; a person at a terminal wants to know. A path that is wrong stays wrong: no waiting. */
export async function answered<T>(answer: PromiseLike<T>, waiting: Waiting): Promise<T> {
  const { client, gateway, withinMs = answerWithinMs } = waiting;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unlisten: Unlisten = () => undefined;
  const silence = new Promise<never>((_, reject) => {
    const fail = (message: string): void => reject(new CliError(exitCodes.failed, message));
    timer = setTimeout(
      () => void refusalText(gateway.url).then((refusal) => fail(refusal ?? silenceText(gateway.url, withinMs))),
      withinMs,
    );
    unlisten = client.on("disconnected", ({ reason }) => {
      // A socket's failure ends with the status of the server's answer.
      if (reason.endsWith(": 404")) fail(`Nothing is at ${gateway.url} (404): a gateway serves ${rootOf(gateway.url)}`);
    });
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
    unlisten();
  }
}

const askReadyWithinMs = 2_000;

/** Why a gateway that runs takes no clients; undefined: nobody answers, or it takes them. */
async function refusalText(url: string): Promise<string | undefined> {
  const ready = new URL("/ready", url.replace(/^ws/, "http"));
  try {
    const response = await fetch(ready, { signal: AbortSignal.timeout(askReadyWithinMs) });
    const { reasons = [] } = (await response.json()) as { readonly reasons?: readonly string[] };
    if (response.ok || reasons.length === 0) return undefined;
    if (!reasons.includes("draining")) return `The gateway at ${url} takes no clients now: ${reasons.join(", ")}`;
    return `The gateway at ${url} is draining and takes no clients: use another one, or let an operator end that (DELETE /api/v1/nodes/{id}/drain)`;
  } catch {
    return undefined;
  }
}

/** A proxy may answer a wrong path in another way than 404, so a path is named as a possible cause. */
function silenceText(url: string, withinMs: number): string {
  const { pathname } = new URL(url);
  const path = pathname === "/" ? "" : ` Or its path "${pathname}" is wrong: a gateway serves ${rootOf(url)}`;
  return `No answer from ${url} within ${withinMs / 1_000} s, is a gateway running there?${path}`;
}

function rootOf(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

/** Resolves at the first SIGINT or SIGTERM. */
export function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve()).once("SIGTERM", () => resolve());
  });
}
