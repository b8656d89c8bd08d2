/**
 * Runs the contract of byte sockets inside of this runtime, with those that the proxy takes there: a line for each test, exit
 * code 1 when one fails.
 * @module
 */
import process from "node:process";
import { hostSockets } from "../../src/ops/balance/host-sockets.ts";
import { hostName } from "../../src/runtime/transport/host.ts";
import { byteSocketContract } from "../contract/byte-socket.ts";
import { runCollected } from "../support/plain-runner.ts";
import { hasOpenssl, selfSigned } from "../support/self-signed.ts";

byteSocketContract(hostName(), await hostSockets(), hasOpenssl ? selfSigned() : undefined);
const { run, failed } = await runCollected();
console.log(`${run - failed} passed, ${failed} failed`);
process.exit(failed === 0 && run > 0 ? 0 : 1);
