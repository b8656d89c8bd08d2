/**
 * The table of settings in docs/operations.md, from the schema. `bun tools/settings-table.ts` writes it.
 *
 * Pure.
 * @module
 */
import { settings } from "./describe.ts";
import type { SettingDescription } from "./live-config.ts";
import { profileSettings } from "./profile.ts";

const begin = "<!-- settings: written by tools/settings-table.ts -->";
const end = "<!-- end of settings -->";

/** The document with its table as it should be. Throws where it has no place for one. */
export function withSettingsTable(document: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) throw new Error(`The document needs the lines ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n${settingsTable()}\n${document.slice(to)}`;
}

function settingsTable(): string {
  const rows = Array.from(settings.values(), (one) => {
    const cells = [`\`${one.name}\``, defaultCell(one), rangeCell(one), one.live ? "live" : "restart", textCell(one)];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return ["", "| setting | default | range | changes | |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}

function defaultCell({ name, default: standard }: SettingDescription): string {
  if (name === "profile") return "by host";
  if (Object.values(profileSettings).some((profile) => name in profile)) {
    return standard === undefined || name.startsWith("security.")
      ? "by profile"
      : `\`${JSON.stringify(standard)}\`, by profile`;
  }
  return standard === undefined ? "none" : `\`${JSON.stringify(standard)}\``;
}

function rangeCell({ range, kind, unit }: SettingDescription): string {
  if (kind !== "number") return range.includes("<") ? `\`${range}\`` : range;
  const numbers = range.replace(/^a (whole )?number( of \w+)?(,| from)? ?/, "").replace(" to ", "–");
  return unit === undefined ? numbers : `${numbers} ${unit}`;
}

function textCell({ text, secret }: SettingDescription): string {
  return secret ? `${text}. Secret` : text;
}
