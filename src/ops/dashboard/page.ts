/**
 * Serves the dashboard: a page, a script, a style sheet and the statecharts that it draws. No asset comes from
 * elsewhere, and the policy lets a browser load none. The page holds no data; what it shows it asks of REST, with the
 * reader's own key.
 * @module
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Asset, assetNames, buildDashboard, webDirectory } from "./build.ts";
import { statecharts } from "./statecharts.ts";

export const dashboardPath = "/dashboard";

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const guards = {
  "Content-Security-Policy": policy,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
};

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Weir</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${dashboardPath}/app.css">
<script type="module" src="${dashboardPath}/app.js"></script>
</head>
<body><div id="app"></div><noscript>The dashboard needs JavaScript; the same is told by /api/v1 and the weir command.</noscript></body>
</html>
`;

type Content = { readonly type: string; readonly body: Uint8Array | string };

/** Answers what lies under `/dashboard`; undefined: nothing of the dashboard. */
export function dashboardHandler(): (request: Request) => Promise<Response | undefined> {
  let assets: Promise<ReadonlyMap<Asset, Uint8Array>> | undefined;
  const asset = async (name: Asset, type: string): Promise<Content> => {
    assets ??= loadAssets();
    const body = (await assets).get(name);
    if (body === undefined) throw new Error(`The dashboard was built without ${name}`);
    return { type, body };
  };
  const contents = new Map<string, () => Content | Promise<Content>>([
    [dashboardPath, () => ({ type: "text/html; charset=utf-8", body: html })],
    [`${dashboardPath}/app.js`, () => asset("app.js", "text/javascript; charset=utf-8")],
    [`${dashboardPath}/app.css`, () => asset("app.css", "text/css; charset=utf-8")],
    [`${dashboardPath}/statecharts.json`, () => ({ type: "application/json", body: JSON.stringify(statecharts()) })],
  ]);
  return async (request) => {
    const { pathname } = new URL(request.url);
    const content = contents.get(pathname.endsWith("/") ? pathname.slice(0, -1) : pathname);
    if (content === undefined || (request.method !== "GET" && request.method !== "HEAD")) return undefined;
    const { type, body } = await content();
    return new Response(body as BodyInit, {
      headers: { "Content-Type": type, "Cache-Control": "no-cache", ...guards },
    });
  };
}

/** A checkout shows its sources as they are; an installed package, what was built into it. */
async function loadAssets(): Promise<ReadonlyMap<Asset, Uint8Array>> {
  if (typeof Bun !== "undefined" && existsSync(join(webDirectory, "../../../../tools/build.ts")))
    return buildDashboard();
  // Bundled, this module lies in dist/ itself; as a source of an installed package, beside dist/.
  const beside = [join(import.meta.dirname, "dashboard"), join(dirname(import.meta.dirname), "../../dist/dashboard")];
  const directory = beside.find((path) => existsSync(join(path, "app.js")));
  if (directory === undefined)
    throw new Error(`The dashboard is not built: no app.js in ${beside.join(" or ")}; run npm run build`);
  const read = assetNames.map(async (name) => [name, new Uint8Array(await readFile(join(directory, name)))] as const);
  return new Map(await Promise.all(read));
}
