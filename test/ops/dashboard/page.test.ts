/**
 * What a browser gets of the dashboard before it has asked for any data.
 * @module
 */
import { expect, test } from "bun:test";
import { buildDashboard } from "../../../src/ops/dashboard/build.ts";
import { dashboardHandler } from "../../../src/ops/dashboard/page.ts";

const gzipBytesMax = 150 * 1_024;
const handler = dashboardHandler();
const get = (path: string, method = "GET") => handler(new Request(`http://weir.test${path}`, { method }));

test("buildDashboard() makes a script and a style sheet within the budget of 150 KB, gzipped", async () => {
  const assets = await buildDashboard();
  const sizes = [...assets.values()].map((bytes) => Bun.gzipSync(new Uint8Array(bytes)).byteLength);
  expect([...assets.keys()].sort()).toEqual(["app.css", "app.js"]);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(gzipBytesMax);
});

test("dashboardHandler() serves page, script, style and statecharts with a policy that allows nothing from elsewhere", async () => {
  for (const [path, type] of [
    ["/dashboard", "text/html"],
    ["/dashboard/", "text/html"],
    ["/dashboard/app.js", "text/javascript"],
    ["/dashboard/app.css", "text/css"],
    ["/dashboard/statecharts.json", "application/json"],
  ] as const) {
    const response = await get(path);
    expect(response?.status, path).toBe(200);
    expect(response?.headers.get("content-type"), path).toStartWith(type);
    const policy = response?.headers.get("content-security-policy") ?? "";
    expect(policy).toStartWith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'");
    expect(policy).not.toContain("unsafe");
  }
});

test("the page names no address but its own, in markup, script and style", async () => {
  for (const path of ["/dashboard", "/dashboard/app.js", "/dashboard/app.css"]) {
    const text = (await (await get(path))?.text()) ?? "";
    const addresses = text.match(/https?:\/\/[^"'`\s)]+/g) ?? [];
    // Names of XML dialects are compared, never fetched.
    expect(addresses.filter((address) => !address.startsWith("http://www.w3.org/"))).toEqual([]);
  }
});

test("dashboardHandler() leaves everything else to others", async () => {
  expect(await get("/dashboard/secret")).toBeUndefined();
  expect(await get("/dashboardx")).toBeUndefined();
  expect(await get("/dashboard", "POST")).toBeUndefined();
});
