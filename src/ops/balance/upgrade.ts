/**
 * Takes an upgrade to a backend: dials one, forwards the request, and when the backend agrees joins both sockets. A
 * backend that cannot be reached, does not answer or has no room is passed over for the next: the client has seen nothing yet.
 * @module
 */
import { type Attempt, Attempts, isProblem } from "./attempts.ts";
import type { BalanceContext } from "./balance-context.ts";
import { type Exchange, passAnswer } from "./exchange.ts";
import { forwardedUpgrade, verbatimAnswer } from "./forwarded-head.ts";
import { type AnswerHead, tokensOf } from "./http-head.ts";
import type { Problem } from "./proxy-problem.ts";
import type { SocketReader } from "./socket-reader.ts";
import { Tunnel, type TunnelEnd } from "./tunnel.ts";

/** It has no room, or is about to stop: another one may have. */
const passedOver: ReadonlySet<number> = new Set([502, 503, 504]);

type Taken = { readonly reader: SocketReader; readonly head: AnswerHead };

/** Resolves when the connection is over, or with what the client is to be told. */
export async function openTunnel(context: BalanceContext, request: Exchange): Promise<"done" | Problem> {
  const { head, address, peer } = request;
  const attempts = new Attempts(context, { head, address, secure: peer.secure });
  for (;;) {
    const attempt = attempts.next();
    if (isProblem(attempt)) return attempt;
    const taken = await ask(context, request, { attempts, attempt });
    if (taken === undefined) continue;
    attempts.succeeded(attempt);
    if (taken.head.status === 101) await join(context, request, { attempt, taken });
    else await passAnswer(context, request, { ...taken, setCookie: attempt.setCookie, mayStay: false });
    taken.reader.socket.destroy();
    attempts.over(attempt);
    return "done";
  }
}

type Asked = { readonly attempts: Attempts; readonly attempt: Attempt };

async function ask(
  context: BalanceContext,
  request: Exchange,
  { attempts, attempt }: Asked,
): Promise<Taken | undefined> {
  const { link, via } = context;
  const linked = await link.dial(attempt.backend.spec);
  if (!linked.ok) {
    attempts.failed(attempt, linked.cause, linked.message);
    return undefined;
  }
  const { reader } = linked;
  reader.socket.write(forwardedUpgrade(request.head, { peer: request.peer, via }));
  const answer = await link.answer(reader);
  if (answer.ok && isUpgraded(answer.head)) return { reader, head: answer.head };
  if (answer.ok && answer.head.status >= 200 && !passedOver.has(answer.head.status))
    return { reader, head: answer.head };
  reader.socket.destroy();
  if (answer.ok)
    attempts.failed(attempt, "backendInvalid", `The backend answered the upgrade with ${answer.head.status}`);
  else attempts.failed(attempt, answer.cause, answer.detail);
  return undefined;
}

function isUpgraded({ status, headers }: AnswerHead): boolean {
  return status === 101 && tokensOf(headers, "upgrade").includes("websocket");
}

function join(
  context: BalanceContext,
  { client }: Exchange,
  { attempt, taken }: { readonly attempt: Attempt; readonly taken: Taken },
): Promise<void> {
  const { clock, sweep, limits, metrics, logger, tunnels } = context;
  client.socket.write(verbatimAnswer(taken.head, attempt.setCookie));
  metrics.tunnels++;
  metrics.tunnelsOpened++;
  return new Promise((resolve) => {
    const onEnd = (ended: Tunnel, how: TunnelEnd): void => {
      metrics.tunnelEnded(how);
      tunnels.delete(ended);
      const { toBackend, toClient } = ended;
      const level = how === "overrun" ? "error" : "debug";
      logger.log(level, "tunnel ended", { backend: attempt.backend.id, how, toBackend, toClient });
      resolve();
    };
    const sockets = { client: client.socket, backend: taken.reader.socket };
    const tunnel = new Tunnel({ ...sockets, clock, sweep, limits, total: metrics.bytes, onEnd });
    tunnels.add(tunnel);
    tunnel.start(client.take(), taken.reader.take());
  });
}
