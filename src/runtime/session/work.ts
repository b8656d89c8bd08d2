/**
 * The parts that work for a session that is used. Most sessions are idle most of the time, and have none.
 * @module
 */
import { nobody } from "./context.ts";
import { PublishCheck } from "./publish-check.ts";
import { Publishing, type PublishNumbers } from "./publishing.ts";
import { Redelivery } from "./redelivery.ts";
import type { Session } from "./session.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Transactions } from "./transactions.ts";

export type Work = {
  readonly check: PublishCheck;
  readonly publishing: Publishing;
  readonly redelivery: Redelivery;
  readonly subscriptions: Subscriptions;
  readonly transactions: Transactions;
};

export function newWork(session: Session, numbers: PublishNumbers): Work {
  const check = new PublishCheck(session.peer?.identity ?? nobody, session.limits);
  const publishing = new Publishing(session, check, numbers);
  const redelivery = new Redelivery(session);
  const subscriptions = new Subscriptions(session, redelivery);
  const transactions = new Transactions(session, { check, publishing, subscriptions });
  return { check, publishing, redelivery, subscriptions, transactions };
}
