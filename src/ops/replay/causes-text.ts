/**
 * Every cause with its sentence, advice and setting as a page for people: docs/causes.md.
 *
 * Pure.
 * @module
 */
import { causeNames, causeOf } from "../../protocol/cause.ts";
import { closeCodes } from "../../protocol/close-code.ts";
import { errorCodes } from "../../protocol/error-code.ts";
import { settingName } from "./setting-name.ts";

const head = `# Causes

Every cause that a journal, a close or an error can name: what happened, what to do, and the setting that decides it. \`weir why\`
says them with the figures of the case ([replay.md](replay.md)). A record that its consumer gave back is named by the consumer's own
words. Made from \`src/protocol/cause.ts\`.

| cause | number | what happened | what to do | setting |
|---|---|---|---|---|
`;

export function causesText(): string {
  return `${head}${causeNames.map(row).join("\n")}\n`;
}

function row(name: string): string {
  const { sentence, advice, setting } = causeOf(name);
  const shown = setting === undefined ? "" : `\`${settingName(setting) ?? setting}\``;
  return `| \`${name}\` | ${numbers(name)} | ${sentence} | ${advice} | ${shown} |`;
}

function numbers(name: string): string {
  const codes = [closeCodes, errorCodes].flatMap((table) =>
    Object.entries(table).flatMap(([one, { code }]) => (one === name ? [code] : [])),
  );
  return codes.join(", ");
}
