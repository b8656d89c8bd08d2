/**
 * What the ending of a socket means to a client, and how it is worded: by its number alone, so that a client can obey a
 * code that it does not know.
 *
 * Pure.
 * @module
 */

export type AfterClose = "resume" | "reopen" | "wait" | "stop";

/**
 * WebSocket's own codes that say what the client sent was no message that can be taken: the same would come again.
 * 1003 kind of data, 1007 text that is not UTF-8, 1009 far too large. Not 1002: some runtimes say it of an upgrade that
 * a proxy refused.
 */
const neverBetter: ReadonlySet<number> = new Set([1003, 1007, 1009]);

/** What a client does after a close, known code or not. Other codes below 4000 (1006 …) are lost sockets: resume. */
export function afterClose(code: number): AfterClose {
  if (neverBetter.has(code)) return "stop";
  if (code < 4200 || code > 4999) return "resume";
  if (code < 4300) return "reopen";
  return code < 4500 ? "wait" : "stop";
}

const reasonBytesMax = 123; // RFC 6455, section 5.5

/** Text of a WebSocket close: `cause: sentence`, cut to what the protocol allows. */
export function closeReason(cause: string, sentence: string): string {
  return `${cause}: ${sentence}`.slice(0, reasonBytesMax);
}
