/**
 * How the commands reach a gateway: the options that all of them share, and what is said when nobody answers.
 * @module
 */
import { type Client, type ConnectOptions, connect } from "../../client/mod.ts";
import { CliError, exitCodes, usageError } from "./exit-code.ts";

export const gatewayArgs = {
  url: { type: "string", description: "Gateway; or set WEIR_URL", default: "ws://127.0.0.1:8080", valueHint: "url" },
  token: { type: "string", description: "JWT; or set WEIR_TOKEN, which other users cannot see", valueHint: "jwt" },
} as const;

const answerWithinMs = 10_000;

export type Gateway = { readonly url: string; readonly token: string | undefined };

/** Flags win over the environment, which wins over the default. `rawArgs` tells a flag from its default. */
export function gatewayOf(args: { readonly url: string; readonly token?: string | undefined }): Gateway {
  const { WEIR_URL, WEIR_TOKEN } = process.env;
  const url = args.url === gatewayArgs.url.default ? (WEIR_URL ?? args.url) : args.url;
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol)) {
    throw usageError(`--url must be a WebSocket address as ws://127.0.0.1:8080, got "${url}"`);
  }
  return { url, token: args.token ?? WEIR_TOKEN };
}

export function openClient(gateway: Gateway, options: ConnectOptions = {}): Client {
  const token = gateway.token === undefined ? {} : { token: gateway.token };
  return connect(gateway.url, { agent: "weir-cli", ...token, ...options });
}

/** The SDK goes on trying for ever; a person at a terminal wants to know. */
export async function answered<T>(answer: PromiseLike<T>, gateway: Gateway): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const message = `No answer from ${gateway.url} within ${answerWithinMs / 1_000} s, is a gateway running there?`;
    timer = setTimeout(() => reject(new CliError(exitCodes.failed, message)), answerWithinMs);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves at the first SIGINT or SIGTERM. */
export function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve()).once("SIGTERM", () => resolve());
  });
}
