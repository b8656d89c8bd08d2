/**
 * `weir presence`: prints who is present on a topic, and ends.
 * @module
 */
import { defineCommand } from "citty";
import { type Member, type PresenceList, presence } from "../../../client/presence.ts";
import { instant } from "../../replay/text.ts";
import { wholeNumber } from "../arguments.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { answered, gatewayArgs, gatewayOf, openClient } from "../gateway-client.ts";
import { jsonArgs, printJson, table } from "../look-back.ts";

const limitMax = 100_000;
const dataCharsMax = 80;

export const presenceCommand = defineCommand({
  meta: { name: "presence", description: "Print who is present on a topic" },
  args: {
    topic: { type: "positional", description: "Topic as 'rooms.7'", required: true },
    ...gatewayArgs,
    limit: { type: "string", description: "Members, at most", default: "100", valueHint: "number" },
    ...jsonArgs,
  },
  run: async ({ args }): Promise<ExitCode> => {
    const gateway = gatewayOf(args);
    const limit = wholeNumber("limit", args.limit, { min: 1, max: limitMax });
    const client = openClient(gateway, { resumeWindowMs: 0 });
    try {
      const list = await answered(presence(client).list(args.topic, { limit }), { client, gateway });
      if (args.json) printJson({ total: list.total, members: list.members.map(asJson) });
      else printList(args.topic, list);
      return exitCodes.done;
    } finally {
      await client.close();
    }
  },
});

function printList(topic: string, { total, members }: PresenceList): void {
  if (total === 0) return console.log(`Nobody is present on ${topic}`);
  const rows = members.map((member) => [
    member.session,
    member.subject,
    instant(member.since),
    shortened(member.text()),
  ]);
  console.log(table([["session", "subject", "since", "data"], ...rows]));
  if (total > members.length) console.log(`… and ${total - members.length} more: --limit ${total} shows all`);
}

function shortened(text: string): string {
  return text.length > dataCharsMax ? `${text.slice(0, dataCharsMax)}…` : text;
}

function asJson(member: Member) {
  const { session, subject, since, data } = member;
  return { session, subject, since, ...(data === undefined ? {} : { data: contentOf(member) }) };
}

/** JSON as it is, anything else as text. */
function contentOf(member: Member): unknown {
  try {
    return member.json();
  } catch {
    return member.text();
  }
}
