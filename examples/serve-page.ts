/**
 * Serves one page of an example, its script bundled for the browser, on this machine only.
 * @module
 */

export type Page = {
  /** Holds page.html and page.ts. */
  readonly folder: string;
  /** Answers everything that is not the page. */
  readonly otherwise?: (request: Request) => Response | Promise<Response>;
};

/** The gateway that an example talks to: the one that `npm start` runs, or the one of the environment. */
export const gatewayUrl = process.env["WEIR_URL"] ?? "ws://localhost:8080";

export async function servePage({ folder, otherwise }: Page): Promise<Bun.Server<undefined>> {
  const { outputs } = await Bun.build({
    entrypoints: [`${folder}/page.ts`],
    target: "browser",
    define: { gatewayUrl: JSON.stringify(gatewayUrl) },
  });
  const script = await outputs[0]?.text();
  const html = await Bun.file(`${folder}/page.html`).text();
  const server = Bun.serve({
    hostname: "localhost",
    port: Number(process.env["PORT"] ?? 3000),
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/") return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
      if (pathname === "/page.js") return new Response(script, { headers: { "content-type": "text/javascript" } });
      return (await otherwise?.(request)) ?? new Response("Not found", { status: 404 });
    },
  });
  console.log(`Open http://localhost:${server.port} (gateway: ${gatewayUrl})`);
  return server;
}
