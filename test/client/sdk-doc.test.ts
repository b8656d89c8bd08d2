/**
 * docs/sdk.md names every option that the SDK knows, every error of its own, and no other.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clientErrors } from "../../src/client/errors.ts";
import { checkHistory, checkPublish, checkSubscribe, settings } from "../../src/client/options.ts";

const text = readFileSync(join(import.meta.dir, "../../docs/sdk.md"), "utf8");
const unknown = { doubtlessUnknown: 1 } as object;

/** First cells of the section's table that begins with this heading. */
function rows(section: string, heading: string): readonly (readonly string[])[] {
  const body = new RegExp(
    `\\n## \`?${section}[^]*?\\n\\| ${heading} \\|[^\\n]*\\n\\|[-|]+\\|\\n((?:\\|[^\\n]*\\n)+)`,
  ).exec(text)?.[1];
  if (body === undefined) throw new Error(`docs/sdk.md has no table "${heading}" in "${section}"`);
  return body
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

/** The names that the code itself lists when it refuses an option. */
function known(refuse: () => unknown): readonly string[] {
  try {
    refuse();
  } catch (error) {
    return (/known: (.+)$/.exec((error as Error).message)?.[1] ?? "").split(", ");
  }
  return [];
}

describe("docs/sdk.md", () => {
  test.each([
    ["connect", () => settings(unknown)],
    ["publish", () => checkPublish(unknown)],
    ["subscribe", () => checkSubscribe(unknown)],
    ["history", () => checkHistory(unknown)],
  ])("lists the options of %s", (name, refuse) => {
    const documented = rows(name, "option").map(([option]) => option ?? "");
    expect([...documented].sort()).toEqual([...known(refuse)].sort());
  });

  test.each([
    ["connect", "reconnect", () => settings({ reconnect: unknown })],
    ["connect", "outbox", () => settings({ outbox: unknown })],
    ["connect", "ack", () => settings({ ack: unknown })],
    ["connect", "ports", () => settings({ ports: unknown })],
    ["subscribe", "window", () => checkSubscribe({ window: unknown })],
  ])("names the parts of the option %s.%s", (section, option, refuse) => {
    const what = rows(section, "option").find(([name]) => name === option)?.[1] ?? "";
    const parts = known(refuse);
    expect(parts.length).toBeGreaterThan(0);
    expect(parts.filter((part) => !new RegExp(`\\b${part}\\b`).test(what))).toEqual([]);
  });

  test("lists the SDK's own errors, and which of them are worth trying again", () => {
    const documented = rows("Errors", "code").map(([code, retryable]) => [code, retryable === "yes"]);
    expect(documented).toEqual(Object.entries(clientErrors).map(([code, { retryable }]) => [code, retryable]));
  });
});
