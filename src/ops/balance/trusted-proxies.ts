/**
 * Decides whom to believe about where a request comes from: only proxies that were named may say so.
 *
 * Pure.
 * @module
 */
import { BlockList, isIP } from "node:net";

/** Addresses as `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #any: boolean;

  /** Throws on what is neither an address nor a network; `problemOf` says it beforehand. */
  constructor(rules: readonly string[]) {
    this.#any = rules.length > 0;
    for (const rule of rules) {
      const { address, family, prefix } = readNetwork(rule);
      this.#list.addSubnet(address, prefix, family);
    }
  }

  has(address: string): boolean {
    const version = this.#any ? isIP(address) : 0;
    return version !== 0 && this.#list.check(address, version === 4 ? "ipv4" : "ipv6");
  }

  /** Of the addresses that a request came along, the peer last: the last one that no trusted proxy vouches for. */
  clientOf(forwardedFor: readonly string[], peer: string): string {
    let client = peer;
    for (let at = forwardedFor.length - 1; at >= 0 && this.has(client); at--) {
      const next = withoutPort(forwardedFor[at] as string);
      if (isIP(next) === 0) break; // What nobody can check is not believed.
      client = next;
    }
    return client;
  }
}

/** Why `rule` is neither an address nor a network, as a sentence. */
export function networkProblem(rule: string): string | undefined {
  try {
    readNetwork(rule);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function readNetwork(rule: string) {
  const [address = "", bits, ...rest] = rule.split("/");
  const version = isIP(address);
  const longest = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? longest : Number(bits);
  const isPrefix = (bits === undefined || /^\d{1,3}$/.test(bits)) && prefix <= longest;
  if (version === 0 || !isPrefix || rest.length > 0)
    throw new Error(`"${rule}" is no address or network, expected one as 10.0.0.1, 10.0.0.0/8 or fd00::/8`);
  return { address, prefix, family: version === 4 ? ("ipv4" as const) : ("ipv6" as const) };
}

/** `192.0.2.1:80` and `[2001:db8::1]:80` are seen too. */
function withoutPort(text: string): string {
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? [];
  if (bracketed !== undefined) return bracketed;
  return /^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(":")) : text;
}
