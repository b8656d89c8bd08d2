/**
 * A WebSocket client on a bare TCP socket, for what a WebSocket client does not allow: to stop reading, to see
 * the bytes that the kernel does not take, and the answer to a refused upgrade. No fragments, no pings.
 * @module
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ClientSocket, ClientSocketEvents } from "../../src/client/ports.ts";

export type RawWebSocket = ClientSocket & {
  /** Reads nothing more from the TCP socket. */
  stall(): void;
  unstall(): void;
  /** Status and body of the answer to the upgrade. */
  readonly answer: Promise<Answer>;
};
export type RawOptions = {
  readonly url: string;
  readonly subprotocols: readonly string[];
  readonly origin?: string | undefined;
  readonly events: ClientSocketEvents;
  /** Certificate to trust, for wss. */
  readonly ca?: string;
  /** In place of a valid Sec-WebSocket-Key; empty: none. */
  readonly key?: string;
};
type Answer = { readonly status: number; readonly text: string };

const opcodes = { text: 1, binary: 2, close: 8 };

export function rawWebSocket(options: RawOptions): RawWebSocket {
  const url = new URL(options.url);
  const to = { port: Number(url.port), host: url.hostname };
  const tcp = options.ca === undefined ? connect(to) : connectTls({ ...to, ca: options.ca });
  let answered: (answer: Answer) => void;
  const answer = new Promise<Answer>((resolve) => {
    answered = resolve;
  });
  let closed = false;
  const ended = (code: number, reason: string): void => {
    if (closed) return;
    closed = true;
    options.events.close(code, reason);
  };
  let input: Buffer = Buffer.alloc(0);
  let upgraded = false;
  tcp.on("data", (chunk: Buffer) => {
    input = Buffer.concat([input, chunk]);
    if (!upgraded) {
      const end = input.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = input.toString("latin1", 0, end);
      const status = Number(head.split(" ")[1]);
      input = input.subarray(end + 4);
      answered({ status, text: input.toString() });
      if (status !== 101) return void tcp.destroy();
      upgraded = true;
      options.events.open(/^sec-websocket-protocol: *(.*)$/im.exec(head)?.[1]?.trim() ?? "");
    }
    input = eachFrame(input, (opcode, payload) => {
      if (closed) return;
      if (opcode === opcodes.text) options.events.message(payload.toString());
      else if (opcode === opcodes.binary) options.events.message(new Uint8Array(payload));
      else if (opcode === opcodes.close) {
        ended(payload.length < 2 ? 1005 : payload.readUInt16BE(0), payload.toString("utf8", 2));
        tcp.end();
      }
    });
  });
  tcp.on("error", () => ended(1006, ""));
  tcp.on("close", () => ended(1006, ""));
  tcp.write(upgradeRequest(url, options));
  return clientSocket(tcp, answer);
}

function clientSocket(tcp: Socket, answer: RawWebSocket["answer"]): RawWebSocket {
  return {
    answer,
    send(data) {
      const payload = typeof data === "string" ? Buffer.from(data) : data;
      tcp.write(maskedFrame(typeof data === "string" ? opcodes.text : opcodes.binary, payload));
    },
    bufferedBytes: () => tcp.writableLength,
    close(code, reason) {
      const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
      payload.writeUInt16BE(code, 0);
      payload.write(reason, 2);
      tcp.write(maskedFrame(opcodes.close, payload));
    },
    stall: () => void tcp.pause(),
    unstall: () => void tcp.resume(),
  };
}

function upgradeRequest(url: URL, options: RawOptions): string {
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
  ];
  const { key = "dGhlIHNhbXBsZSBub25jZQ==" } = options;
  if (key !== "") lines.push(`Sec-WebSocket-Key: ${key}`);
  if (options.subprotocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${options.subprotocols.join(", ")}`);
  if (options.origin !== undefined) lines.push(`Origin: ${options.origin}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A frame with an all-zero mask: the payload goes out as it is. */
function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const { byteLength } = payload;
  const head = Buffer.alloc(byteLength < 126 ? 2 : byteLength < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (head.length === 2 ? byteLength : head.length === 4 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(byteLength, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(byteLength), 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** Calls `frame` for each whole frame and gives back the rest. */
function eachFrame(input: Buffer, frame: (opcode: number, payload: Buffer) => void): Buffer {
  let at = 0;
  while (input.length - at >= 2) {
    const short = (input[at + 1] as number) & 0x7f;
    const headBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (input.length - at < headBytes) break;
    const length =
      short < 126 ? short : short === 126 ? input.readUInt16BE(at + 2) : Number(input.readBigUInt64BE(at + 2));
    if (input.length - at < headBytes + length) break;
    const start = at + headBytes;
    at = start + length;
    frame((input[start - headBytes] as number) & 0x0f, input.subarray(start, at));
  }
  return input.subarray(at);
}
