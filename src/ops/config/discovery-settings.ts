/**
 * Settings of a node as a member of its cluster: its name, where it is found, and what the others are told of it.
 * @module
 */
import { z } from "zod";
import { noted } from "./setting.ts";

const text = z.string().min(1).max(4_096);
const degrees = (max: number) => z.number().min(-max).max(max);

export const discovery = z.strictObject({
  node: noted(
    z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes")
      .optional(),
    {
      description:
        "Name of this gateway, in WELCOME, in log lines and for the other gateways on its log. None: made at every start",
      range: "1 to 64 letters, digits, dots, dashes",
    },
  ),
  url: noted(z.url({ protocol: /^wss?$/, error: "must be a ws or wss URL" }).optional(), {
    description:
      "WebSocket URL of this gateway as clients dial it, told to the other gateways. None: made of where it listens; on all addresses with this machine's name",
    range: "a ws or wss URL",
  }),
  zone: noted(z.string().min(1).max(64).optional(), { description: "Where it runs, for people and for balancing" }),
  location: z
    .strictObject({
      latitude: noted(degrees(90), { description: "For geographic balancing, with the longitude", unit: "degrees" }),
      longitude: noted(degrees(180), { description: "With the latitude; east is positive", unit: "degrees" }),
    })
    .optional(),
  weight: noted(z.number().min(0.01).max(1_000).default(1), {
    description: "Share of clients that this gateway wants, beside the others'",
    range: "0.01 to 1000",
  }),
  accelerator: z
    .strictObject({
      file: noted(text.optional(), {
        description:
          "File with the free memory of this machine's accelerators, as `8123 MiB`, a line each; read every 5 s and told to the other gateways",
      }),
      command: noted(text.optional(), {
        description:
          "In place of the file: a shell command that prints it, as `nvidia-smi --query-gpu=memory.free --format=csv,noheader`",
      }),
    })
    .optional(),
});
