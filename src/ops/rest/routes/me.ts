/**
 * Who asks, for programs that show only what their reader may do.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { roles } from "../../../runtime/role.ts";
import { endpoint } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";

export function meRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/me",
      tag: "access",
      summary: "Whose credentials these are, and their role",
      role: "claims",
      answer: z
        .strictObject({
          name: z.string(),
          role: z.enum(roles).optional().openapi({ description: "Absent: what the token's claims cover, and no more" }),
        })
        .openapi("Me"),
    },
    ({ caller: { who, role } }) => ({ name: who, ...(role === undefined ? {} : { role }) }),
  );
}
