/**
 * Opens WebSocket connections to workers, with the platform's client.
 * @module
 */
export type DialedEvents = {
  opened(): void;
  message(text: string): void;
  /** Once, also when it never opened. */
  closed(why: string): void;
};
export type Dialed = { send(text: string): void; close(): void };
export type Dial = (url: string, events: DialedEvents) => Dialed;

/** Undefined: this platform has none (Node before 22). */
export function platformDial(): Dial | undefined {
  if (typeof WebSocket === "undefined") return undefined;
  return (url, events) => {
    const socket = new WebSocket(url);
    let isOver = false;
    const over = (why: string): void => {
      if (isOver) return;
      isOver = true;
      events.closed(why);
    };
    socket.addEventListener("open", () => events.opened());
    socket.addEventListener("message", ({ data }) =>
      typeof data === "string" ? events.message(data) : socket.close(1003, "Text alone is understood"),
    );
    socket.addEventListener("close", ({ code, reason }) => over(`${code} ${reason}`.trim()));
    socket.addEventListener("error", () => over("not reached"));
    return { send: (text) => socket.send(text), close: () => socket.close(1000) };
  };
}
