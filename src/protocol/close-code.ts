/**
 * Why a socket ended. The range alone says what a client does, so that it can obey a code it does not know:
 * 4000–4199 reconnect and resume · 4200–4299 reconnect, the session is gone · 4300–4499 reconnect only with
 * a new token or after help · 4500–4999 stop, this client is broken. Of WebSocket's own, a few mean stop too.
 *
 * Pure. A number is never given a second meaning. What a client does after one: after-close.ts.
 * @module
 */

export const closeCodes = {
  goingAway: { code: 4000, advice: "Reconnect; the gateway is stopping" },
  heartbeatTimeout: { code: 4001, advice: "Reconnect; nothing was heard from you in time" },
  slowConsumer: { code: 4002, advice: "Reconnect and resume; your socket took nothing for too long" },
  overloaded: { code: 4003, advice: "Reconnect after the time that GOAWAY names" },
  internal: { code: 4004, advice: "Reconnect; a bug of the gateway ended this connection" },
  logUnavailable: { code: 4005, advice: "Reconnect later; the event log cannot be reached" },
  idle: { code: 4006, advice: "Reconnect when needed" },

  sessionEnded: { code: 4200, advice: "Reconnect without a session; this one was closed" },

  superseded: { code: 4300, advice: "Stop; another connection took this session over" },
  unauthenticated: { code: 4301, advice: "Get a token, then reconnect" },
  tokenExpired: { code: 4302, advice: "Get a new token, then reconnect and resume" },
  forbidden: { code: 4303, advice: "This identity may not use this session or gateway" },
  disconnected: { code: 4304, advice: "An operator ended this connection" },

  handshakeTimeout: { code: 4500, advice: "Send HELLO right after the socket opens" },
  protocolViolation: { code: 4501, advice: "Correct the client: see the cause" },
  frameTooLarge: { code: 4502, advice: "Send smaller frames; WELCOME tells frameBytesMax" },
  creditOverrun: { code: 4503, advice: "Do not publish past the credit that the gateway granted" },
  tooManyRefused: { code: 4504, advice: "Look at refused publishes and report them as settled" },
  tooManyErrors: { code: 4505, advice: "Correct the client: its frames are refused again and again" },
} as const satisfies Record<string, { code: number; advice: string }>;

export type CloseName = keyof typeof closeCodes;

const byNumber = new Map<number, CloseName>(
  (Object.keys(closeCodes) as CloseName[]).map((name) => [closeCodes[name].code, name]),
);

export function closeName(code: number): CloseName | undefined {
  return byNumber.get(code);
}
