/**
 * The subprotocols that a `Sec-WebSocket-Protocol` header offers, in its order.
 * @module
 */
export function offeredSubprotocols(header: string | null | undefined): readonly string[] {
  return (header ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
