/**
 * `weir pools`: lists pools and their members. `weir pool <name> …`: drains one, and weighs, drains or removes its members.
 * @module
 */
import { defineCommand } from "citty";
import type { PoolView } from "../../../runtime/pool/pool-view.ts";
import { milliseconds } from "../../replay/text.ts";
import { oneOf, strictArguments, wholeNumber } from "../arguments.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { httpUrl, jsonArgs, printJson, table } from "../look-back.ts";

const restArgs = {
  url: {
    type: "string",
    description: "Gateway; any of the cluster",
    default: "http://127.0.0.1:8080",
    valueHint: "url",
  },
  token: { type: "string", description: "API key or JWT; or set WEIR_TOKEN", valueHint: "token" },
} as const;
const listArgs = {
  name: { type: "positional", description: "One pool, with its members", required: false },
  ...restArgs,
  ...jsonArgs,
} as const;

export const poolsCommand = defineCommand({
  meta: { name: "pools", description: "List pools: what waits, what is given out, who the members are" },
  args: listArgs,
  run: async ({ args: given, rawArgs }) => {
    strictArguments(listArgs, rawArgs);
    const { items } = (await ask(given, "GET", "/api/v1/pools")) as { readonly items: readonly PoolView[] };
    const wanted = given.name === undefined ? items : items.filter(({ name }) => name === given.name);
    if (given.name !== undefined && wanted.length === 0)
      throw new CliError(exitCodes.failed, `There is no pool ${given.name}`);
    if (given.json) printJson(wanted);
    else if (given.name === undefined) printPools(wanted);
    else for (const pool of wanted) printPool(pool);
    return exitCodes.done;
  },
});

const acts = ["weight", "remove", "drain", "resume", "delete"] as const;
const actArgs = {
  name: { type: "positional", description: "Name of the pool", required: true },
  act: { type: "positional", description: `${acts.join(", ")}`, required: true },
  member: { type: "positional", description: "Of whom: weight and remove need it, drain takes it", required: false },
  value: { type: "positional", description: "The weight", required: false },
  ...restArgs,
} as const;

export const poolCommand = defineCommand({
  meta: {
    name: "pool",
    description: "Change a pool: weight <member> <n>, remove <member>, drain [<member>], resume, delete",
  },
  args: actArgs,
  run: async ({ args: given, rawArgs }) => {
    strictArguments(actArgs, rawArgs);
    const act = oneOf("act", given.act, acts);
    const { member, value } = given;
    const pool = `/api/v1/pools/${encodeURIComponent(given.name)}`;
    const who = (): string => {
      if (member === undefined)
        throw usageError(`weir pool ${given.name} ${act} needs the id of a member, see weir pools ${given.name}`);
      return `${pool}/members/${encodeURIComponent(member)}`;
    };
    switch (act) {
      case "weight": {
        const weight = wholeNumber("weight", value ?? "", { min: 1, max: 1_000 });
        await ask(given, "PATCH", who(), { weight });
        break;
      }
      case "remove":
        await ask(given, "DELETE", who());
        break;
      case "drain":
        await ask(given, "POST", member === undefined ? `${pool}/drain` : `${who()}/drain`);
        break;
      case "resume":
        await ask(given, "DELETE", `${pool}/drain`);
        break;
      case "delete":
        await ask(given, "DELETE", pool);
        break;
    }
    console.log("Done");
    return exitCodes.done;
  },
});

type Rest = { readonly url: string; readonly token?: string | undefined };
const answerWithinMs = 10_000;

async function ask({ url, token }: Rest, method: string, path: string, body?: unknown): Promise<unknown> {
  const key = token ?? process.env["WEIR_TOKEN"];
  const base = httpUrl(url);
  let response: Response;
  try {
    response = await fetch(new URL(path, base), {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(answerWithinMs),
    });
  } catch (error) {
    throw new CliError(exitCodes.failed, `No answer from ${base}, is a gateway running there?`, { cause: error });
  }
  const answer = (await response.json().catch(() => ({}))) as { readonly detail?: string };
  if (response.ok) return answer;
  throw new CliError(exitCodes.failed, answer.detail ?? `${base} answers ${response.status}`);
}

function printPools(pools: readonly PoolView[]): void {
  if (pools.length === 0) return console.log("There are no pools");
  const rows = pools.map(({ name, status, coordinator = "none", members, waiting, inFlight, capacity, settings }) => [
    ...[name, status, coordinator, String(members.length), String(waiting), `${inFlight}/${capacity}`],
    ...[settings.strategy, settings.filters.join(" ")],
  ]);
  console.log(
    table([["pool", "status", "coordinator", "members", "waiting", "given out", "strategy", "filters"], ...rows]),
  );
}

function printPool(pool: PoolView): void {
  printPools([pool]);
  const { done, failed, deadLettered, retrying, oldestWaitMs, wanted } = pool;
  console.log(`\n${done} done, ${failed} failed, ${deadLettered} given up, ${retrying} to be tried again`);
  if (oldestWaitMs > 0) console.log(`Waits longest: ${milliseconds(oldestWaitMs)}`);
  if (wanted !== undefined) console.log(`Members wanted: ${wanted}`);
  const rows = pool.members.map(({ id, node, health, weight, inFlight, capacity, done: did, failed: fails, tags }) => [
    ...[id, node, health, String(weight), `${inFlight}/${capacity}`, String(did), String(fails), tags.join(" ")],
  ]);
  console.log(`\n${table([["member", "node", "health", "weight", "given out", "done", "failed", "tags"], ...rows])}`);
}
