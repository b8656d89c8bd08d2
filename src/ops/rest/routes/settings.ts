/**
 * The configuration of the running gateway: what is in force and where it comes from, and changes that need no restart.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { LiveConfig, ShownSetting } from "../../config/live-config.ts";
import type { Caller } from "../access.ts";
import { endpoint } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { ProblemError } from "../problem.ts";
import { anything } from "../schemas.ts";

export const patchSchema = z
  .strictObject({
    settings: z.record(z.string().max(128), anything).openapi({
      description: "Values by dotted name; null: what was changed before no longer holds",
    }),
  })
  .openapi("SettingsPatch");
const change = z.strictObject({ setting: z.string(), before: anything.optional(), after: anything.optional() });
export const changedSchema = z.strictObject({ changes: z.array(change) }).openapi("SettingsChanged");

const setting = z
  .strictObject({
    name: z.string(),
    section: z.string(),
    text: z.string(),
    kind: z.enum(["text", "number", "boolean", "list"]),
    unit: z.string().optional(),
    default: anything.optional(),
    range: z.string(),
    live: z.boolean().openapi({ description: "Takes effect without a restart" }),
    secret: z.boolean().openapi({ description: "Its value is never shown" }),
    value: anything.optional(),
    origin: z.string().openapi({ description: "Where its value comes from" }),
    waiting: anything.optional().openapi({ description: "A value that waits for a restart" }),
  })
  .openapi("Setting");

const masked = "[masked]";

export function settingRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "get",
      path: "/admin/config",
      tag: "admin",
      summary: "Every setting: value, origin, default, range, unit; secrets masked",
      role: "operator",
      answer: z.strictObject({ settings: z.array(setting) }).openapi("Settings"),
      problems: [501],
    },
    () => {
      const config = liveConfig(parts);
      const shown = new Map(config.show().map((one) => [one.name, one] as const));
      const settings = config.describe().map((described) => {
        const one: ShownSetting | undefined = shown.get(described.name);
        return { ...described, ...one, origin: one?.origin ?? "default" };
      });
      return { settings };
    },
  );
  endpoint(
    parts,
    {
      method: "patch",
      path: "/admin/config",
      tag: "admin",
      summary: "Change settings of the running gateway: all of them or none",
      description: "Kept in the log: it survives a restart, and every gateway on the log takes it over.",
      role: "admin",
      body: patchSchema,
      answer: changedSchema,
      problems: [422, 501],
    },
    ({ body, caller }) => changeSettings(parts, body.settings, caller),
  );
}

type Patch = Readonly<Record<string, unknown>>;

export async function changeSettings(
  parts: RestParts,
  patch: Patch,
  caller: Caller,
): Promise<z.infer<typeof changedSchema>> {
  const config = liveConfig(parts);
  const secrets = new Set(config.describe().flatMap(({ name, secret }) => (secret ? [name] : [])));
  const shown = new Map(config.show().map(({ name, value }) => [name, value] as const));
  const visible = (values: (name: string) => unknown): Patch =>
    Object.fromEntries(Object.keys(patch).map((name) => [name, secrets.has(name) ? masked : values(name)]));
  const entry = {
    action: "config.change",
    target: "config",
    before: visible((name) => shown.get(name)),
    after: visible((name) => patch[name]),
  };
  return await parts.audit.perform(caller, entry, async () => {
    const changed = await config.change(patch, caller.who);
    if (changed.ok) {
      const changes = changed.changes.map((one) =>
        secrets.has(one.setting) ? { setting: one.setting, before: masked, after: masked } : { ...one },
      );
      return { changes };
    }
    const errors = changed.refused.map(({ setting: at, message }) => ({ at, message }));
    const detail = errors.map(({ at, message }) => `${at}: ${message}`).join("; ");
    throw new ProblemError(422, "settingsRefused", `Nothing was changed: ${detail}`, errors);
  });
}

function liveConfig({ config }: RestParts): LiveConfig {
  if (config !== undefined) return config;
  throw new ProblemError(501, "notAvailable", "This gateway was started without a configuration that can be changed");
}
