/**
 * Settings as text: the file that would give them, a table with where each comes from, an env file for containers.
 * Secrets are masked or left out.
 *
 * Pure.
 * @module
 */
import { stringify } from "yaml";
import { z } from "zod";
import { settings, settingsTree } from "./describe.ts";
import type { ShownSetting } from "./live-config.ts";
import { environmentName } from "./names.ts";
import { isGiven } from "./origin.ts";
import { configSchema } from "./schema.ts";

/** Of a configuration file, for editors: a section that is left out is one of defaults. */
export function asJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, {
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      if (!(zodSchema instanceof z.ZodObject) || jsonSchema.required === undefined) return;
      const { shape } = zodSchema;
      jsonSchema.required = jsonSchema.required.filter((name) => !(shape[name] instanceof z.ZodObject));
    },
  });
}

export function asYaml(shown: readonly ShownSetting[]): string {
  const values = shown.map(({ name, value }) => [name, value] as const);
  return stringify(settingsTree(values), { lineWidth: 0 }).trimEnd();
}

/** Longer cells push what stands beside them. */
const cellMax = 60;

export function asTable(shown: readonly ShownSetting[]): string {
  const rows = [
    ["SETTING", "VALUE", "ORIGIN"],
    ...shown.map((one) => [one.name, one.value === undefined ? "" : JSON.stringify(one.value), reasonOf(one)]),
  ];
  const widths = [0, 1].map((column) => Math.min(cellMax, Math.max(...rows.map((row) => row[column]?.length ?? 0))));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")).join("\n");
}

function reasonOf({ origin, waiting }: ShownSetting): string {
  return waiting === undefined ? origin : `${origin}; ${JSON.stringify(waiting)} waits for a restart`;
}

/** For `docker run --env-file`, which takes everything behind the first `=` as it is. */
export function asEnvironment(shown: readonly ShownSetting[]): string {
  const lines = shown.flatMap(({ name, value, origin }) => {
    const { text = "", range = "", secret = false } = settings.get(name) ?? {};
    const about = `# ${name}: ${text}. ${range}`;
    const variable = environmentName(name);
    if (secret) return ["", about, `# ${variable}=`];
    const line = `${variable}=${Array.isArray(value) ? value.join(",") : (value ?? "")}`;
    return ["", about, isGiven(origin) ? line : `# ${line}`];
  });
  return [
    "# Settings of a Weir gateway for docker run --env-file. What is commented out is the default, or a secret.",
    ...lines,
  ].join("\n");
}
