/**
 * Builds the dashboard's page for browsers: one script and one style sheet, minified. Needs Bun and the development
 * dependencies; an installed package carries the result in dist/dashboard.
 * @module
 */
import { join } from "node:path";

export type Asset = "app.js" | "app.css";
export const assetNames: readonly Asset[] = ["app.js", "app.css"];

export const webDirectory = join(import.meta.dirname, "web");

/** Rejects with what the bundler says. */
export async function buildDashboard(): Promise<ReadonlyMap<Asset, Uint8Array>> {
  const built = await Bun.build({
    entrypoints: [join(webDirectory, "app.tsx")],
    target: "browser",
    format: "esm",
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
    naming: "[name].[ext]",
  });
  const assets = new Map<Asset, Uint8Array>();
  for (const output of built.outputs) {
    const name = assetNames.find((asset) => output.path.endsWith(asset));
    if (name !== undefined) assets.set(name, new Uint8Array(await output.arrayBuffer()));
  }
  for (const name of assetNames) if (!assets.has(name)) throw new Error(`The bundler made no ${name}`);
  return assets;
}
