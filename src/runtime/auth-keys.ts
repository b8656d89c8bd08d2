/**
 * Decides which key a token's signature is checked with, and which algorithms that key may serve: an HMAC
 * secret only HS256, a public key only its own kind, so that no token can choose.
 * @module
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import type { Clock } from "./ports.ts";

export type JwtAlgorithm = "HS256" | "RS256" | "EdDSA";

export type JwtKey =
  | { readonly kind: "secret"; readonly secret: string }
  /** PEM (SPKI) or a JWK as JSON text. */
  | { readonly kind: "publicKey"; readonly text: string }
  | { readonly kind: "jwks"; readonly url: string };

export type FetchJwks = (url: string, init: RequestInit) => Promise<Response>;

export type VerifyKey = {
  readonly algorithms: readonly JwtAlgorithm[];
  readonly key: Uint8Array | KeyObject | JWTVerifyGetKey;
};

/** The keys cannot be had right now; the token may well be good. */
export class SigningKeysUnavailable extends Error {
  override readonly name = "SigningKeysUnavailable";
}

const jwks = {
  timeoutMs: 5_000,
  /** Keys are asked for again after this, and for an unknown key id not sooner than `cooldownMs` after the last time. */
  ageMsMax: 600_000,
  cooldownMs: 30_000,
  /** After a failure nobody asks again for this long, however many tokens come. */
  retryMs: 5_000,
  charsMax: 262_144,
} as const;

export type VerifyKeyOptions = {
  readonly algorithms: readonly JwtAlgorithm[];
  readonly clock: Clock;
  readonly fetchJwks?: FetchJwks | undefined;
};

/** Throws when the key cannot be used with any of the algorithms. */
export function verifyKey(key: JwtKey, options: VerifyKeyOptions): VerifyKey {
  switch (key.kind) {
    case "secret":
      return fitting(["HS256"], options.algorithms, new TextEncoder().encode(key.secret));
    case "publicKey": {
      const publicKey = parsePublicKey(key.text);
      return fitting([algorithmOf(publicKey)], options.algorithms, publicKey);
    }
    case "jwks":
      return fitting(["RS256", "EdDSA"], options.algorithms, remoteKeys(key.url, options));
  }
}

function fitting(
  possible: readonly JwtAlgorithm[],
  configured: readonly JwtAlgorithm[],
  key: VerifyKey["key"],
): VerifyKey {
  const algorithms = configured.filter((algorithm) => possible.includes(algorithm));
  if (algorithms.length > 0) return { algorithms, key };
  throw new Error(
    `The JWT key can check ${possible.join(", ")}, but the algorithms allowed are ${configured.join(", ")}`,
  );
}

function parsePublicKey(text: string): KeyObject {
  const trimmed = text.trim();
  try {
    if (!trimmed.startsWith("{")) {
      if (trimmed.includes("PRIVATE KEY")) throw new Error("it is a private key; a gateway needs the public one only");
      return createPublicKey(trimmed);
    }
    const jwk = JSON.parse(trimmed) as JsonWebKey;
    if (jwk.d !== undefined) throw new Error("it is a private key; a gateway needs the public one only");
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch (error) {
    throw new Error(`The JWT public key cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

function algorithmOf(key: KeyObject): JwtAlgorithm {
  if (key.asymmetricKeyType === "rsa") return "RS256";
  if (key.asymmetricKeyType === "ed25519") return "EdDSA";
  throw new Error(`The JWT public key is of type ${key.asymmetricKeyType}, expected rsa or ed25519`);
}

function remoteKeys(url: string, { clock, fetchJwks = fetch }: VerifyKeyOptions): JWTVerifyGetKey {
  let failed: { readonly error: SigningKeysUnavailable; readonly until: number } | undefined;
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: jwks.timeoutMs,
    cooldownDuration: jwks.cooldownMs,
    cacheMaxAge: jwks.ageMsMax,
    async [customFetch](_url, init) {
      if (failed !== undefined && clock.now() < failed.until) throw failed.error;
      try {
        const text = await boundedText(await fetchJwks(url, init));
        failed = undefined;
        return new Response(text);
      } catch (error) {
        const unavailable = new SigningKeysUnavailable(
          `Signing keys of ${url} cannot be had: ${(error as Error).message}`,
          {
            cause: error,
          },
        );
        failed = { error: unavailable, until: clock.now() + jwks.retryMs };
        throw unavailable;
      }
    },
  });
}

/** The body, when it is a JSON object with `keys` and not too long. */
async function boundedText(response: Response): Promise<string> {
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
  let text = "";
  for await (const chunk of (response.body ?? new Blob([]).stream()).pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.length > jwks.charsMax) throw new Error(`answered more than ${jwks.charsMax} characters`);
  }
  const value: unknown = JSON.parse(text);
  if (!Array.isArray((value as { keys?: unknown } | null)?.keys))
    throw new Error('answered JSON without a list "keys"');
  return text;
}
