/** The Bun transport keeps the contract. */
import { bunTransport } from "../../src/runtime/transport/bun.ts";
import { transportContract } from "../contract/transport.ts";
import { serverTransportContract } from "../contract/transport-server.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import type { TransportRig } from "../support/transport-stage.ts";

const rig = (): TransportRig => ({ name: "bun", lacks: [], transport: bunTransport(), connect: rawWebSocket, fetch });
transportContract(rig);
serverTransportContract(rig, WebSocket);
