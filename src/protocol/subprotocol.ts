/**
 * Decides which subprotocol, and so which codec, a connection speaks: the first of the client's list that we know.
 *
 * Pure.
 * @module
 */
import type { CodecName } from "./codec.ts";

export const subprotocols = {
  msgpack: "weir.v1.msgpack",
  protobuf: "weir.v1.protobuf",
  json: "weir.v1.json",
} as const satisfies Record<CodecName, string>;
export type Subprotocol = (typeof subprotocols)[CodecName];

/**
 * Offered beside one of them by clients that know `url` and `ticket` of GOAWAY, and never chosen: readers of an earlier
 * release refuse fields that they do not know.
 */
export const ticketsOffer = "weir.tickets";

export type ChosenSubprotocol = { readonly subprotocol: Subprotocol; readonly codec: CodecName };

export function subprotocolOf(codec: CodecName): Subprotocol {
  return subprotocols[codec];
}

/** `undefined`: none of them is ours, and the upgrade is answered 400. */
export function chooseSubprotocol(offered: readonly string[]): ChosenSubprotocol | undefined {
  for (const name of offered) {
    for (const codec of ["msgpack", "protobuf", "json"] as const) {
      if (subprotocols[codec] === name) return { subprotocol: subprotocols[codec], codec };
    }
  }
  return undefined;
}
