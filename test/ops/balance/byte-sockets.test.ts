/** Both adapters of byte sockets keep the contract; Node's own run of it is in test/runtimes. */
import { bunSockets } from "../../../src/ops/balance/bun-sockets.ts";
import { nodeSockets } from "../../../src/ops/balance/node-sockets.ts";
import { byteSocketContract } from "../../contract/byte-socket.ts";
import { hasOpenssl, selfSigned } from "../../support/self-signed.ts";

const tls = hasOpenssl ? selfSigned() : undefined;
byteSocketContract("Bun", bunSockets(), tls);
byteSocketContract("Node, on Bun", nodeSockets(), tls);
