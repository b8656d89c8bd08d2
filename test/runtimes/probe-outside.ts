/**
 * What a gateway's port speaks, found by speaking it: the cells of docs/runtimes.md that can be seen from outside.
 * @module
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

const answerMs = 2_000;
/** The client's preface of RFC 9113 and an empty SETTINGS frame. */
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const settingsType = 4;
const enableConnectProtocol = 8;

export async function probePlain(port: number): Promise<Record<string, string>> {
  const tcp = connect(port, "127.0.0.1");
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  const upgrade = [
    "GET / HTTP/1.1",
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: weir.v1.json",
    "Sec-WebSocket-Extensions: permessage-deflate",
  ];
  const answer = await spoken(connect(port, "127.0.0.1"), `${upgrade.join("\r\n")}\r\n\r\n`);
  const upgraded = answer.toString("latin1");
  return {
    "HTTP/1.1": yesNo(response.status === 200),
    "HTTP/2 without TLS": yesNo(settingsOf(await spoken(tcp, preface)) !== undefined),
    "HTTP/3": yesNo(await udpTaken(port)),
    WebSocket: yesNo(upgraded.startsWith("HTTP/1.1 101")),
    "permessage-deflate": yesNo(/^sec-websocket-extensions:.*permessage-deflate/im.test(upgraded)),
  };
}

export async function probeTls(port: number, ca: string): Promise<Record<string, string>> {
  const tls = connectTls({ host: "127.0.0.1", port, ca, ALPNProtocols: ["h2", "http/1.1"] });
  await once(tls, "secureConnect");
  const version = tls.getProtocol() ?? "";
  const settings = tls.alpnProtocol === "h2" ? settingsOf(await spoken(tls, preface)) : undefined;
  tls.destroy();
  return {
    TLS: version.replace("TLSv", ""),
    "HTTP/2 over TLS": yesNo(settings !== undefined),
    "WebSocket over HTTP/2": yesNo(settings?.get(enableConnectProtocol) === 1),
  };
}

const yesNo = (holds: boolean): string => (holds ? "yes" : "no");

/** The first bytes of the answer, or none in time. */
async function spoken(socket: Socket, words: Buffer | string): Promise<Buffer> {
  socket.write(words);
  const answer = await Promise.race([
    once(socket, "data").then(([data]) => data as Buffer),
    once(socket, "close").then(() => Buffer.alloc(0)),
    Bun.sleep(answerMs).then(() => Buffer.alloc(0)),
  ]).catch(() => Buffer.alloc(0));
  socket.destroy();
  return answer;
}

/** Of the SETTINGS frame that HTTP/2 servers begin with. */
function settingsOf(answer: Buffer): ReadonlyMap<number, number> | undefined {
  if (answer.length < 9 || answer[3] !== settingsType || answer.readUInt32BE(5) !== 0) return undefined;
  const end = 9 + answer.readUIntBE(0, 3);
  const settings = new Map<number, number>();
  for (let at = 9; at + 6 <= Math.min(end, answer.length); at += 6)
    settings.set(answer.readUInt16BE(at), answer.readUInt32BE(at + 2));
  return settings;
}

/** HTTP/3 is spoken over UDP: who serves it has that port too. */
async function udpTaken(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  try {
    socket.bind(port, "127.0.0.1");
    await once(socket, "listening");
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "EADDRINUSE";
  } finally {
    socket.close();
  }
}
