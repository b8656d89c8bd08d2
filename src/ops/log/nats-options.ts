/**
 * Turns what the configuration says of NATS into what opens a connection: reads the files that it names.
 * @module
 */
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from "@nats-io/transport-node";
import { CliError, exitCodes } from "../cli/exit-code.ts";
import type { NatsCredentials, NatsLogConfig, NatsTls } from "../config/log-store.ts";
import { readText } from "../read-text.ts";

export type NatsOptions = {
  readonly servers: readonly string[];
  readonly name: string;
  readonly connection: ConnectionOptions;
  readonly monitoring: readonly string[];
};

/** `client`: how operators see the connection in the servers' lists. */
export function natsOptions(config: NatsLogConfig, client: string): NatsOptions {
  const { servers, name, monitoring, credentials, tls } = config;
  const connection = {
    name: client,
    ...credentialsOf(credentials),
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
  };
  return { servers, name, monitoring, connection };
}

function credentialsOf(credentials: NatsCredentials): ConnectionOptions {
  switch (credentials.kind) {
    case "none":
      return {};
    case "password":
      return { user: credentials.user, pass: credentials.password };
    case "token":
      return { token: credentials.token };
    case "nkey":
      return { authenticator: signing(credentials.seedFile, (text) => nkeyAuthenticator(encode(seedIn(text)))) };
    case "jwt":
      return { authenticator: signing(credentials.credentialsFile, (text) => credsAuthenticator(encode(text))) };
  }
}

type Sign = ReturnType<typeof nkeyAuthenticator>;

/** Read at every connection, because credentials are renewed by writing the file. A first look tells whether it holds any. */
function signing(path: string, authenticatorOf: (text: string) => Sign): Sign {
  let newest = authenticatorOf(readText(path));
  try {
    newest("a nonce");
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} holds no NATS credentials: ${(error as Error).message}`);
  }
  return (nonce) => {
    try {
      const renewed = authenticatorOf(readText(path));
      const answer = renewed(nonce);
      newest = renewed;
      return answer;
    } catch {
      return newest(nonce); // Gone or half written.
    }
  };
}

/** The file may hold comments beside the seed. */
function seedIn(text: string): string {
  return /\bSU[A-Z2-7]{56}\b/.exec(text)?.[0] ?? text.trim();
}

function tlsOf({ ca, cert, key }: NatsTls): NonNullable<ConnectionOptions["tls"]> {
  return {
    ...(ca === undefined ? {} : { ca: readText(ca) }),
    ...(cert === undefined ? {} : { cert: readText(cert) }),
    ...(key === undefined ? {} : { key: readText(key) }),
  };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
