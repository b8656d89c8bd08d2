/**
 * An authenticator whose claims a test names, and may change.
 * @module
 */
import type { Authenticator } from "../../src/runtime/ports.ts";

export function claims(of: {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}): Authenticator {
  return { authenticate: async () => ({ ok: true, identity: { subject: "", ...of } }) };
}
