/**
 * Finds a setting by its own name, wherever configuration keeps it.
 *
 * Pure.
 * @module
 */
import { settings } from "../config/describe.ts";

/** Whole dotted name of the setting, or of the section, that ends so. Undefined: there is none. */
export function settingName(name: string): string | undefined {
  for (const setting of settings.keys()) if (setting === name || setting.endsWith(`.${name}`)) return setting;
  for (const setting of settings.keys()) {
    const at = `.${setting}`.indexOf(`.${name}.`);
    if (at >= 0) return setting.slice(0, at + name.length);
  }
  return undefined;
}
