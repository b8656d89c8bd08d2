/**
 * The configuration of the running gateway: what is in force and where it comes from, and changes that need no restart.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { LiveConfig, Refused, ShownSetting } from "../../config/live-config.ts";
import type { Config } from "../../config/profile.ts";
import { type Caller, mayAct } from "../access.ts";
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
      description:
        "Kept in the log: it survives a restart, and every gateway on the log takes it over. Refused when its caller would not be admin any more.",
      role: "admin",
      body: patchSchema,
      answer: changedSchema,
      problems: [422, 501],
    },
    ({ body, caller, request }) => changeSettings(parts, body.settings, { caller, headers: request.headers }),
  );
}

type Patch = Readonly<Record<string, unknown>>;
/** `headers`: with its credentials. */
type Asking = { readonly caller: Caller; readonly headers: Headers };

export async function changeSettings(
  parts: RestParts,
  patch: Patch,
  { caller, headers }: Asking,
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
    const changed = await config.change(patch, caller.who, (next) => lockOut(parts, next, headers));
    if (changed.ok) {
      const changes = changed.changes.map((one) =>
        secrets.has(one.setting) ? { setting: one.setting, before: masked, after: masked } : { ...one },
      );
      return { changes };
    }
    const errors = changed.refused.map(({ setting: at, message }) => ({ at, message }));
    const detail = errors.map(({ at, message }) => (at === "" ? message : `${at}: ${message}`)).join("; ");
    throw new ProblemError(422, "settingsRefused", `Nothing was changed: ${detail}`, errors);
  });
}

/** Nobody shuts the door behind which they stand: what could change it back would be on the other side. */
async function lockOut({ accessWith }: RestParts, next: Config, headers: Headers): Promise<Refused | undefined> {
  if (accessWith === undefined) return undefined;
  const because = await accessWith(next)
    .callerOf(headers)
    .then((after) => (mayAct(after, "admin") ? undefined : `you would have the role ${after.role ?? "none"}`))
    .catch((error: unknown) => {
      if (!(error instanceof ProblemError)) throw error;
      return "your credentials would not be known any more";
    });
  if (because === undefined) return undefined;
  const keep = "keep the key that you use among security.apiKeys with the role admin, or ask with one that stays admin";
  return { setting: "security", message: `It would lock you out, ${because}: ${keep}` };
}

function liveConfig({ config }: RestParts): LiveConfig {
  if (config !== undefined) return config;
  throw new ProblemError(501, "notAvailable", "This gateway was started without a configuration that can be changed");
}
