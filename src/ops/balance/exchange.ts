/**
 * Takes one HTTP request to a backend and its answer back: bodies stream both ways with backpressure, and the connection
 * to the backend is kept for the next request when both sides allow it.
 * @module
 */
import { type Attempt, Attempts, isProblem } from "./attempts.ts";
import type { Answer } from "./backend-link.ts";
import type { BalanceContext } from "./balance-context.ts";
import { type BodyEnd, passBody } from "./body-passage.ts";
import { forwardedAnswer, forwardedRequest, type Peer, verbatimAnswer } from "./forwarded-head.ts";
import { answerFraming, type Framing } from "./http-body.ts";
import { type AnswerHead, type RequestHead, staysOpen } from "./http-head.ts";
import type { Problem } from "./proxy-problem.ts";
import type { SocketReader } from "./socket-reader.ts";

export type Exchange = {
  readonly head: RequestHead;
  readonly framing: Framing;
  readonly client: SocketReader;
  readonly peer: Peer;
  /** Whom it comes from, trusted proxies left out. */
  readonly address: string;
  /** The client's connection may serve another request. */
  readonly mayStay: boolean;
};
/** next: another request may follow · close: this was the last. */
export type ExchangeEnd = "next" | "close" | Problem;

/** Asking for these twice does no more than once (RFC 9110, section 9.2.2). */
const repeatable: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "TRACE"]);

type Sent = { readonly reader: SocketReader; readonly body: Promise<BodyEnd> };

export async function runExchange(context: BalanceContext, request: Exchange): Promise<ExchangeEnd> {
  const { head, address, peer } = request;
  const attempts = new Attempts(context, { head, address, secure: peer.secure });
  for (;;) {
    const attempt = attempts.next();
    if (isProblem(attempt)) return attempt;
    const linked = await context.link.take(attempt.backend.spec);
    if (!linked.ok) {
      attempts.failed(attempt, linked.cause, linked.message);
      continue;
    }
    const end = await talk(context, request, { attempts, attempt, reader: linked.reader, reused: linked.reused });
    if (end !== "stale") return end;
    // The backend had closed the kept connection meanwhile: that is no failure of its own. A new one does not lie.
    const fresh = await context.link.dial(attempt.backend.spec);
    if (fresh.ok) {
      const again = await talk(context, request, { attempts, attempt, reader: fresh.reader, reused: false });
      if (again !== "stale") return again;
    } else attempts.failed(attempt, fresh.cause, fresh.message);
  }
}

type Talking = {
  readonly attempts: Attempts;
  readonly attempt: Attempt;
  readonly reader: SocketReader;
  readonly reused: boolean;
};

async function talk(context: BalanceContext, request: Exchange, talking: Talking): Promise<ExchangeEnd | "stale"> {
  const { attempts, attempt, reader, reused } = talking;
  const { client, head, framing } = request;
  if (reused) context.metrics.reused++;
  const onGone = (): void => {
    if (client.socket.isClosed) reader.socket.destroy();
  };
  client.onOver = onGone;
  reader.socket.write(forwardedRequest(head, { peer: request.peer, via: context.via }));
  const body = passBody(context, { from: client, to: reader, framing, count: "toBackend" });
  // From here on what comes from the client is its next request; and if it goes, so does this one.
  void body.end.then(() => client.readOn());
  const answer = await finalAnswer(context, request, { reader, body: body.end });
  if (!answer.ok) {
    body.stop();
    client.onOver = undefined;
    reader.socket.destroy();
    if (client.socket.isClosed) return over(attempts, attempt);
    if (reused && answer.reset && framing.kind === "none" && repeatable.has(head.method)) return "stale";
    attempts.failed(attempt, answer.cause, answer.detail);
    return { cause: answer.cause, detail: answer.detail, attempts: 1 };
  }
  attempts.succeeded(attempt);
  const end = await passAnswer(context, request, {
    ...{ reader, head: answer.head, setCookie: attempt.setCookie },
    mayStay: request.mayStay && body.isDone(),
  });
  client.onOver = undefined;
  body.stop();
  if (end.backendStays && body.isDone()) context.link.keep(attempt.backend.spec, reader);
  else reader.socket.destroy();
  attempts.over(attempt);
  return end.clientStays ? "next" : "close";
}

function over(attempts: Attempts, attempt: Attempt): "close" {
  attempts.over(attempt);
  return "close";
}

/** Past the interim answers, which are passed on. A body that is still on its way gives the backend time. */
async function finalAnswer(context: BalanceContext, { client }: Exchange, { reader, body }: Sent): Promise<Answer> {
  let isSent = false;
  void body.then(() => {
    isSent = true;
  });
  for (;;) {
    const wasSent = isSent;
    const answer = await context.link.answer(reader);
    if (!answer.ok && answer.cause === "backendTimeout" && !wasSent && !client.socket.isClosed) continue;
    if (!answer.ok || answer.head.status >= 200) return answer;
    if (answer.head.status === 101)
      return { ok: false, cause: "backendInvalid", detail: "The backend changed the protocol unasked", reset: false };
    client.socket.write(verbatimAnswer(answer.head));
  }
}

type Answered = {
  readonly reader: SocketReader;
  readonly head: AnswerHead;
  readonly setCookie: string | undefined;
  readonly mayStay: boolean;
};
type Passed = { readonly clientStays: boolean; readonly backendStays: boolean };

/** An answer whose head was read goes to the client with its body. */
export async function passAnswer(context: BalanceContext, request: Exchange, answered: Answered): Promise<Passed> {
  const { client } = request;
  const { reader, head, setCookie, mayStay } = answered;
  const framed = answerFraming(head, request.head.method);
  if (!framed.ok) {
    context.logger.log("warn", "backend's answer cannot be passed on", { detail: framed.detail });
    client.socket.destroy();
    return { clientStays: false, backendStays: false };
  }
  const { framing } = framed;
  const stays = mayStay && framing.kind !== "until close";
  client.socket.write(forwardedAnswer(head, { staysOpen: stays, setCookie }));
  const end = await passBody(context, { from: reader, to: client, framing, count: "toClient" }).end;
  const isWhole = end === "done" || (end === "over" && framing.kind === "until close");
  // An answer that broke off must not look like a whole one.
  if (!isWhole) client.socket.destroy();
  return {
    clientStays: isWhole && stays,
    backendStays: end === "done" && framing.kind !== "until close" && staysOpen(head),
  };
}
