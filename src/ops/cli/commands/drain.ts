/**
 * `weir drain`: sends the clients of a node to the others, and says how far it is.
 * @module
 */
import { defineCommand } from "citty";
import { pause } from "../../../runtime/pause.ts";
import { systemClock } from "../../../runtime/system.ts";
import { type DrainOrder, type DrainState, NodeError, Nodes } from "../../rollout/nodes.ts";
import { strictArguments } from "../arguments.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "../exit-code.ts";

export const nodesArgs = {
  url: {
    type: "string",
    description: "REST of one gateway, http://127.0.0.1:8080 by default; it names the others",
    default: "http://127.0.0.1:8080",
    valueHint: "url",
  },
  token: {
    type: "string",
    description: "API key; or set WEIR_TOKEN, which other users cannot see",
    valueHint: "token",
  },
} as const;

const args = {
  node: { type: "positional", description: "Name of the node; by default the one that answers", required: false },
  ...nodesArgs,
  to: { type: "string", description: "Nodes to go to, every healthy one by default", valueHint: "node,…" },
  share: {
    type: "string",
    description: "Percent of its clients, 100 by default",
    default: "100",
    valueHint: "percent",
  },
  reason: { type: "string", description: "For the audit journal", default: "weir drain", valueHint: "text" },
  undo: { type: "boolean", description: "Take clients again", default: false },
  wait: { type: "boolean", description: "Wait until they have gone", default: true },
} as const;

const lookMs = 500;

export const drainCommand = defineCommand({
  meta: { name: "drain", description: "Send the clients of a node to the others, each in a slot of its own" },
  args,
  run: async ({ args: given, rawArgs }) => {
    strictArguments(args, rawArgs);
    const nodes = new Nodes(httpUrl(given.url), given.token ?? process.env["WEIR_TOKEN"]);
    return await withNodes(async () => {
      const rows = await nodes.list();
      const row = rows.find(({ id, self }) => (given.node === undefined ? self : id === given.node));
      if (row === undefined)
        throw usageError(`No node "${given.node}", there are: ${rows.map(({ id }) => id).join(", ")}`);
      if (given.undo) {
        await nodes.undrain(row.id);
        console.log(`${row.id} takes clients again`);
        return exitCodes.done;
      }
      const to = given.to === undefined ? {} : { to: given.to.split(",") };
      const share = percent(given.share);
      const order: DrainOrder = { reason: given.reason, ...to, ...(share === 1 ? {} : { share }) };
      return await drain(nodes, row.id, { order, wait: given.wait });
    });
  },
});

async function drain(
  nodes: Nodes,
  node: string,
  { order, wait }: { readonly order: DrainOrder; readonly wait: boolean },
): Promise<ExitCode> {
  const clock = systemClock();
  let state: DrainState = await nodes.drain(node, order);
  for (let said = ""; ; state = await nodes.drainState(node)) {
    const text = `${node}: ${state.gone} gone, ${state.sent} have a slot, ${state.waiting} wait`;
    if (text !== said) console.log(text);
    said = text;
    if (!wait || state.state === "done") return exitCodes.done;
    await pause(clock, lookMs);
  }
}

/** What a gateway refuses, or does not answer, becomes a message. */
export async function withNodes<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof NodeError) throw new CliError(exitCodes.failed, error.message, { cause: error });
    throw error;
  }
}

export function httpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw usageError(`--url must be an address of REST as http://127.0.0.1:8080, got "${text}"`);
}

function percent(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value <= 100) return value / 100;
  throw usageError(`--share must be a number above 0 and up to 100, got "${text}"`);
}
