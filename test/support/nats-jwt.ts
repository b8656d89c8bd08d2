/**
 * An operator, an account with JetStream and a user, as NATS keeps them in JWTs; and the server's configuration for them.
 * @module
 */
import { Algorithms, encodeAccount, encodeOperator, encodeUser, fmtCreds } from "@nats-io/jwt";
import { nkeys } from "@nats-io/transport-node";

export type NatsJwt = {
  /** Of the server. */
  readonly config: string;
  /** What a `.creds` file holds. */
  readonly creds: string;
};

export async function natsJwt(): Promise<NatsJwt> {
  const [operator, account, system, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const options = { algorithm: Algorithms.v2 };
  const unlimited = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const signed = { ...options, signer: operator };
  const accountJwt = await encodeAccount("weir", account, { limits: { ...limits, ...unlimited } }, signed);
  const systemJwt = await encodeAccount("SYS", system, {}, signed);
  const operatorJwt = await encodeOperator("operator", operator, { system_account: system.getPublicKey() }, options);
  const userJwt = await encodeUser("gateway", user, account, {}, options);
  const config = `
operator: ${operatorJwt}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${account.getPublicKey()}: ${accountJwt}
  ${system.getPublicKey()}: ${systemJwt}
}`;
  return { config, creds: new TextDecoder().decode(fmtCreds(userJwt, user)) };
}
