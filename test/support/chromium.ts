/**
 * Debian's Chromium, for tests of pages.
 * @module
 */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const path = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--headless",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Why browser tests are skipped here; undefined when they run. */
export const noChromium = existsSync(path) ? undefined : `no Chromium at ${path} (CHROMIUM names another place)`;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: path, args });
}
