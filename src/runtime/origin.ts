/**
 * Decides from which web pages a browser may open a socket: a page of any site can try, and the browser
 * tells us only its origin. Denies by default.
 *
 * Pure.
 * @module
 */

/**
 * Rules: `*` any · `localhost` any page of this machine, any port · `https://app.example.com[:port]` exactly
 * that · `app.example.com`, `*.example.com` that host, or any host below it, whatever scheme and port · `null`
 * pages without an origin (files, sandboxed frames).
 */
export type OriginPolicy = readonly string[];

/** What a developer needs: pages served from the same machine. */
export const developmentOrigins: OriginPolicy = ["localhost"];

const hostRule = /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/;
/** Also schemes that are not the web's, as browser extensions have. */
const originRule = /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.[\]:-]+$/;

/** Why `rule` is none, as a sentence; `undefined` when it is one. */
export function originRuleProblem(rule: string): string | undefined {
  if (rule === "*" || hostRule.test(rule) || originRule.test(rule)) return undefined;
  return `"${rule}" is no origin rule, expected *, localhost, null, a host as app.example.com or *.example.com, or an origin as https://app.example.com`;
}

/**
 * @param origin the Origin header; browsers always send it, other clients need not
 * @param host the Host header
 */
export function originAllowed(origin: string | undefined, host: string | undefined, policy: OriginPolicy): boolean {
  if (origin === undefined || policy.includes("*") || policy.includes(origin)) return true;
  const page = URL.canParse(origin) ? new URL(origin) : undefined;
  // Anything that is not exactly a web origin is no page's header.
  if (page === undefined || page.origin !== origin) return false;
  if (host !== undefined && page.host === host.toLowerCase()) return true;
  return policy.some((rule) => matchesRule(page, rule));
}

function matchesRule(page: URL, rule: string): boolean {
  if (rule === "localhost") return isLoopback(page.hostname);
  if (rule.startsWith("*.")) return page.hostname.endsWith(rule.slice(1));
  return rule === page.hostname;
}

function isLoopback(hostname: string): boolean {
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]") return true;
  return /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
