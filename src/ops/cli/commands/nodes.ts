/**
 * `weir nodes`: the members of a cluster as one of its nodes sees them.
 * @module
 */
import { defineCommand } from "citty";
import type { Member } from "../../../runtime/cluster/membership.ts";
import { answer } from "../../replay/live-rest.ts";
import { milliseconds } from "../../replay/text.ts";
import { strictArguments } from "../arguments.ts";
import { CliError, exitCodes } from "../exit-code.ts";
import { httpUrl, jsonArgs, liveArgs, printJson, restToken, table } from "../look-back.ts";

const args = {
  url: {
    type: "string",
    description: "A running gateway, whose view it is; or set WEIR_URL",
    default: "http://127.0.0.1:8080",
    valueHint: "url",
  },
  token: liveArgs.token,
  ...jsonArgs,
} as const;

type Row = { readonly id: string; readonly self: boolean; readonly member: Member };

export const nodesCommand = defineCommand({
  meta: { name: "nodes", description: "Show the nodes of a cluster, with status and load, as one of them sees them" },
  args,
  run: async ({ args: given, rawArgs }) => {
    const { url = process.env["WEIR_URL"] ?? args.url.default, token } = strictArguments(args, rawArgs);
    const rows = await nodesAt(httpUrl(url), restToken(token));
    if (given.json) printJson(rows.map(({ member }) => member));
    else
      console.log(
        table([
          ["node", "status", "for", "connections", "sessions", "cpu", "loop", "memory", "version", "url", "why"],
          ...rows.map(cells),
        ]),
      );
    return exitCodes.done;
  },
});

async function nodesAt(url: string, token: string | undefined): Promise<readonly Row[]> {
  const path = "/api/v1/nodes";
  const response = await answer(new URL(path, url), token);
  if (response.ok) return ((await response.json()) as { readonly items: readonly Row[] }).items;
  throw new CliError(exitCodes.failed, `${url} answers ${response.status} for ${path}: ${await response.text()}`);
}

function cells({ id, self, member }: Row): readonly string[] {
  const { status, since, load, version, compatible, url, cause } = member;
  return [
    self ? `${id} *` : id,
    status,
    milliseconds(Math.max(0, Date.now() - since)),
    ...[load.connections, load.sessions].map(String),
    `${Math.round(100 * load.cpu)} %`,
    milliseconds(load.loopDelayMs),
    `${Math.round(load.residentBytes / 1_048_576)} MiB`,
    compatible ? version : `${version}, too far apart`,
    url,
    cause,
  ];
}
